"""Optimisers, the learning rate's schedule and clipping. Knows parameters and gradients, no data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from unrolled.training.config import TrainingConfig

_REMEMBERED = {  # what each optimiser keeps of a parameter, in its shape; beside it the number of updates, "step"
    "adamw": ("exp_avg", "exp_avg_sq"),
    "rmsprop": ("square_avg",),
    "adagrad": ("sum",),
}
_SQUARES = ("exp_avg_sq", "square_avg", "sum")


class Optimizer:
    """The optimiser that the configuration names, over a model's parameters; what it remembers, by their names."""

    def __init__(self, config: TrainingConfig, model: nn.Module) -> None:
        self.kind = config.optimizer
        self._parameters = dict(model.named_parameters())
        self._torch = _make(config, list(self._parameters.values()))

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._torch.zero_grad()

    def step(self, rate: float) -> None:
        """One update, with that learning rate."""
        for group in self._torch.param_groups:
            group["lr"] = rate
        self._torch.step()

    def tensors(self) -> dict[str, Tensor]:
        """What is remembered: `PARAMETER.step`, `PARAMETER.exp_avg` and so on.

        Zeros for a parameter that was never updated: what torch gives it before its first update.
        """
        made: dict[str, Tensor] = {}
        for name, parameter in self._parameters.items():
            kept = self._torch.state.get(parameter) or self._before_any_update(parameter)
            made |= {f"{name}.{kind}": value for kind, value in kept.items()}
            made[f"{name}.step"] = kept["step"].to(torch.float32)  # torch counts in its default type
        return made

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Remember what `tensors()` gave."""
        for name, parameter in self._parameters.items():
            # torch's optimisers keep the number of updates on the CPU
            kept = {"step": tensors[f"{name}.step"].clone()}
            for kind in _REMEMBERED[self.kind]:
                kept[kind] = tensors[f"{name}.{kind}"].clone().to(parameter.device)
            self._torch.state[parameter] = kept

    def misfit(self, tensors: Mapping[str, Tensor], updates: int) -> str:
        """Why `tensors()` cannot have given these after so many updates; empty if it can."""
        for name in self._parameters:
            if not 0 <= (count := float(tensors[f"{name}.step"])) <= updates:
                return f"{name} has {count:g} updates in {updates:,} steps"
            for kind in _REMEMBERED[self.kind]:
                if kind in _SQUARES and bool((tensors[f"{name}.{kind}"] < 0).any()):
                    return f"{name}.{kind} is negative somewhere"
        return ""

    def _before_any_update(self, parameter: Tensor) -> dict[str, Tensor]:
        zeros = {kind: torch.zeros_like(parameter) for kind in _REMEMBERED[self.kind]}
        return {"step": torch.zeros((), dtype=torch.float32), **zeros}


def _make(config: TrainingConfig, every: list[nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW decays matrices only: a bias or a gain of zero would be no simpler function.

    RMSProp's alpha is char-rnn's 0.95. Adagrad's running sum starts at 1e-8, which is the same as min-char-rnn's
    1e-8 inside the root.
    """
    rate = config.learning_rate
    match config.optimizer:
        case "adamw":
            groups = [
                {"params": [one for one in every if one.dim() > 1], "weight_decay": config.weight_decay},
                {"params": [one for one in every if one.dim() <= 1], "weight_decay": 0.0},
            ]
            return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(every, lr=rate, alpha=0.95, foreach=True)
        case "adagrad":
            return torch.optim.Adagrad(every, lr=rate, initial_accumulator_value=1e-8, eps=0.0, fused=True)


_WARMUP_SHARE = 0.1  # of all steps at most


def rate_at(step: int, total: int | None, config: TrainingConfig, steps_per_epoch: int = 1) -> float:
    """The learning rate of a step, counted from 0: warm-up, stable, decay (linear at both ends).

    While a time limit has not been turned into a number of steps yet, `total` is None, and nothing decays. With
    `epoch_decay` the rate is multiplied by it at the end of each epoch from the `epoch_decay_after`-th on (char-rnn).
    """
    rising = config.warmup if total is None else min(config.warmup, math.ceil(_WARMUP_SHARE * total))
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    falling = 0 if total is None else math.ceil(config.decay * total)
    left = math.inf if total is None else total - step
    ended = max(0, step // steps_per_epoch - config.epoch_decay_after + 1)
    return config.learning_rate * min(1.0, max(0.0, left / (falling + 1))) * config.epoch_decay**ended


def clip_gradients(parameters: Iterable[Tensor], config: TrainingConfig) -> float:
    """Clip the gradients in place; returns the norm of the whole gradient before. One not finite clips nothing.

    By norm (Pascanu et al. 2013) the direction stays; by value (the gist min-char-rnn, char-rnn) each element
    is cut to [-grad_clip, grad_clip].
    """
    every = [one for one in parameters if one.grad is not None]
    norm = nn.utils.get_total_norm([one.grad for one in every if one.grad is not None])
    if not bool(norm.isfinite()):
        return float(norm)
    if config.grad_clip and config.clip_mode == "norm":
        nn.utils.clip_grads_with_norm_(every, config.grad_clip, norm)
    elif config.grad_clip:
        nn.utils.clip_grad_value_(every, config.grad_clip)
    return float(norm)
