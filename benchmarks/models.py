"""A training step of a language model, ours and the same in plain PyTorch: what several benchmarks time.

The text is made up, the same for both; so are the initial weights. Nothing is held out, nothing sampled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.torch_models import Hidden, TorchModel
from unrolled import LanguageModel, TextConfig, cells
from unrolled.runs import preset
from unrolled.runs.building import initialised
from unrolled.runs.tasks import text_model, text_task
from unrolled.training import Stepped, Trainer

SYMBOLS = 65
_CHUNKS = 200  # of the made-up text, then it begins again
_NO_END = 10**9
_LOOKS = {"evaluations": 1, "samples": 0, "val_frac": 0.0, "split": "end", "max_loss_ratio": 0.0, "steps": _NO_END}
LARGE = {
    "cell": "lstm", "hidden_size": 512, "num_layers": 2, "embedding_size": 64, "batch_size": 50, "seq_length": 50,
    "optimizer": "adamw", "learning_rate": 1e-3, "warmup": 0, "decay": 0.0, "weight_decay": 0.01, "grad_clip": 1.0,
}  # fmt: skip
TINY = {"hidden_size": 9, "batch_size": 3, "seq_length": 5}

Step = Callable[[], float]  # makes one step of training; the loss before it, in nats per character


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained."""

    name: str
    config: TextConfig

    @property
    def is_bfloat16(self) -> bool:
        """Whether matrices are multiplied in bfloat16: torch's autocast."""
        return self.config.precision == "bf16"

    def __str__(self) -> str:
        return f"{self.name} {'bfloat16' if self.is_bfloat16 else 'float32'}"


def recipes(*, is_quick: bool) -> list[Recipe]:
    """The preset char-rnn, and two layers of 512 units."""
    char_rnn = {name: value for name, value in preset("char-rnn").items() if name not in ("epochs", "epoch_decay")}
    options = {"char-rnn": char_rnn, "2x512": LARGE}
    changes = _LOOKS | (TINY if is_quick else {})
    return [
        Recipe(name, TextConfig(**one | changes, precision=precision))
        for name, one in options.items()
        for precision in ("float32", "bf16")
    ]


def text_for(config: TextConfig) -> np.ndarray:
    """Ids in which the next symbol depends on the last: a random walk over the symbols."""
    length = config.batch_size * config.seq_length * _CHUNKS + 1
    moves = np.random.default_rng(config.seed).integers(-3, 4, length)
    return np.cumsum(moves) % SYMBOLS


def model_of(config: TextConfig) -> LanguageModel:
    """Our model, before training."""
    return initialised(config, lambda: text_model(config, SYMBOLS, cells.find(config.cell).graph))


def our_step(recipe: Recipe) -> Step:
    """A step of our trainer."""
    config = recipe.config
    task = text_task(config, model_of(config), [text_for(config)])
    events = Trainer(task, config, rate=lambda _: config.learning_rate).run()
    return lambda: next(event.loss for event in events if isinstance(event, Stepped))


def torch_step(recipe: Recipe) -> Step:
    """A step as a person writes it in PyTorch: same chunks, loss, clipping and update, with a fused optimiser."""
    config = recipe.config
    streams = text_task(config, model_of(config), [text_for(config)]).streams
    model = TorchModel(model_of(config))
    optimizer = _optimizer(config, model)
    scale = config.seq_length if config.loss_reduction == "sum" else 1
    state: Hidden | None = None
    number = 0

    def step() -> float:
        nonlocal state, number
        chunk = streams.chunk(number)
        optimizer.zero_grad()
        with _precision(recipe):
            logits, after = model(chunk.ids, None if number % streams.chunks == 0 else state)
            loss = F.cross_entropy(logits.flatten(0, 1), chunk.targets.flatten())
        (loss * scale).backward()
        _clip(config, model)
        optimizer.step()
        state, number = tuple(one.detach() for one in after), number + 1
        return loss.item()

    return step


def recurrent_step(recipe: Recipe) -> Callable[[], None]:
    """The recurrent layers' part of our step: forward and backward over one chunk."""
    config = recipe.config
    model = model_of(config)
    shape = config.seq_length, config.batch_size
    x = TorchModel(model).inputs(torch.randint(SYMBOLS, shape)).detach()
    x.requires_grad_(config.embedding_size > 0)
    of_output = torch.randn(*shape, config.hidden_size)
    leaves = [*model.rnn.parameters(), *([x] if x.requires_grad else [])]
    state = model.rnn.zero_state(config.batch_size)

    def step() -> None:
        with _precision(recipe):
            output, _ = model.rnn(x, state)
        torch.autograd.grad(output, leaves, of_output.to(output.dtype))

    return step


def _precision(recipe: Recipe) -> torch.autocast | nullcontext[None]:
    return torch.autocast("cpu", torch.bfloat16) if recipe.is_bfloat16 else nullcontext()


def _optimizer(config: TextConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Torch's fastest of the kind: AdamW has a fused form, RMSProp only one over all parameters at once."""
    every = list(model.parameters())
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(every, lr=config.learning_rate, alpha=0.95, foreach=True)
    groups = [
        {"params": [one for one in every if one.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [one for one in every if one.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def _clip(config: TextConfig, model: nn.Module) -> None:
    if config.clip_mode == "value":
        nn.utils.clip_grad_value_(model.parameters(), config.grad_clip)
    else:
        nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)


def losses(step: Step, count: int) -> Tensor:
    """The losses of so many steps."""
    return torch.tensor([step() for _ in range(count)])
