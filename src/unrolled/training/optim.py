"""Optimisers, the learning rate's schedule and clipping. Knows parameters and gradients, no data."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from unrolled.training.config import TrainingConfig


def make_optimizer(config: TrainingConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that the configuration names.

    AdamW decays matrices only: a bias or a gain of zero would be no simpler function.
    RMSProp's alpha is char-rnn's 0.95.
    """
    every = list(parameters)
    rate = config.learning_rate
    match config.optimizer:
        case "adamw":
            groups = [
                {"params": [one for one in every if one.dim() > 1], "weight_decay": config.weight_decay},
                {"params": [one for one in every if one.dim() <= 1], "weight_decay": 0.0},
            ]
            return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))
        case "rmsprop":
            return torch.optim.RMSprop(every, lr=rate, alpha=0.95)
        case "adagrad":
            return torch.optim.Adagrad(every, lr=rate)


_WARMUP_SHARE = 0.1  # of all steps at most


def rate_at(step: int, total: int | None, config: TrainingConfig) -> float:
    """The learning rate of a step, counted from 0: warm-up, stable, decay (linear at both ends).

    While a time limit has not been turned into a number of steps yet, `total` is None, and nothing decays.
    """
    rising = config.warmup if total is None else min(config.warmup, math.ceil(_WARMUP_SHARE * total))
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    falling = 0 if total is None else math.ceil(config.decay * total)
    left = math.inf if total is None else total - step
    return config.learning_rate * min(1.0, max(0.0, left / (falling + 1)))


def clip_gradients(parameters: Iterable[Tensor], config: TrainingConfig) -> float:
    """Clip the gradients in place; returns the norm of the whole gradient before.

    By norm (Pascanu et al. 2013) the direction stays; by value (the gist min-char-rnn, char-rnn) each element
    is cut to [-grad_clip, grad_clip].
    """
    every = [one for one in parameters if one.grad is not None]
    norm = nn.utils.get_total_norm([one.grad for one in every if one.grad is not None])
    if config.grad_clip and config.clip == "norm":
        nn.utils.clip_grads_with_norm_(every, config.grad_clip, norm)
    elif config.grad_clip:
        nn.utils.clip_grad_value_(every, config.grad_clip)
    return float(norm)
