"""The verb "lr-find": a short training in which the learning rate rises (Smith 2017). Keeps nothing of the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unrolled import cells
from unrolled.errors import ConfigError, TrainingError
from unrolled.runs.building import initialised, torch_as_it_is
from unrolled.runs.config import RunConfig
from unrolled.runs.folder import Identity
from unrolled.runs.tasks import kind_of
from unrolled.training import Stepped, Task, Trainer

_FROM, _TO = 1e-5, 10.0
_STEPS = 100
_SMOOTHING = 0.8
_LINES = 20
_FEWEST = 20  # steps in which a rate can be found


@dataclass(frozen=True)
class FoundRate:
    """The rates that were tried, the smoothed loss at each (mean nats per `unit`), and the one to use."""

    suggested: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    unit: str

    def shown(self) -> list[tuple[float, float]]:
        """About twenty of the rates, evenly apart, with their losses."""
        step = max(1, len(self.rates) // _LINES)
        return list(zip(self.rates, self.losses, strict=True))[::step]


def find_learning_rate(config: RunConfig) -> FoundRate:
    """Train with a rate that rises from 1e-5 to 10, until the loss explodes. Nothing is kept of the model.

    Suggested is the rate at which the smoothed loss falls fastest.

    Raises:
        ConfigError: too few steps, or a loss that never falls. DataError, CellError, EquationError: as in training.
    """
    steps = config.steps or _STEPS
    if steps < _FEWEST:
        raise ConfigError(f"--steps {steps}: a learning rate is found in {_FEWEST} steps or more")
    with torch_as_it_is():
        graph = cells.find(config.cell).graph
    kind = kind_of(config.task)
    gathered = kind.gather(config)
    identity = Identity(kind, config, graph, gathered.about)
    model = initialised(config, identity.make).to(config.device)
    growth = (_TO / _FROM) ** (1 / (steps - 1))
    changes = {"steps": steps, "epochs": None, "minutes": None, "samples": 0}
    task = kind.task(config, gathered.about, gathered.data, model)
    task.has_held_out = False  # nobody asks for its loss
    trainer = Trainer(task, config.model_copy(update=changes), rate=lambda step: _FROM * growth**step)
    rates, losses = _rise(trainer)
    return FoundRate(_steepest(rates, losses), tuple(rates), tuple(losses), gathered.about.unit)


def _rise(trainer: Trainer[Task]) -> tuple[list[float], list[float]]:
    rates: list[float] = []
    losses: list[float] = []
    try:
        for event in trainer.run():
            if isinstance(event, Stepped):
                rates.append(event.learning_rate)
                before = losses[-1] if losses else event.loss
                losses.append(_SMOOTHING * before + (1 - _SMOOTHING) * event.loss)
                if event.step == trainer.progress.total or losses[-1] > 2 * min(losses):
                    break
    except TrainingError:
        pass  # the rate has become too large: that is what was looked for
    return rates, losses


def _steepest(rates: list[float], losses: list[float]) -> float:
    """The rate at which the loss falls fastest in the logarithm of the rate, before its lowest point."""
    if not losses:
        raise ConfigError(
            "the loss is no finite number from the first step on: 'unrolled train' says where it comes from"
        )
    lowest = int(np.argmin(losses))
    if lowest < 2:
        raise ConfigError(
            "the loss does not fall at any learning rate: the text or the model may be too small, or --steps too few"
        )
    slopes = np.gradient(np.array(losses[: lowest + 1]), math.log(rates[1] / rates[0]))
    return rates[int(np.argmin(slopes))]
