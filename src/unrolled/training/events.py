"""What training says while it runs. Losses are mean nats per token, times are seconds. Knows no listener."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Planned:
    """How many steps there will be: at once, or when a time limit has been turned into steps."""

    total: int


@dataclass(frozen=True)
class Stepped:
    """One update was made, from a loss before it."""

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    tokens_per_second: float
    elapsed: float


@dataclass(frozen=True)
class Evaluated:
    """What is held out was read, after so many steps. `scores`: by name, the higher the better."""

    step: int
    loss: float
    elapsed: float
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SampleDue:
    """It is time to show what the model writes, after so many steps."""

    step: int


@dataclass(frozen=True)
class Finished:
    """Training ended: `reason` is "done", "patience", "time" or "interrupted"."""

    step: int
    reason: str
    elapsed: float


Event = Planned | Stepped | Evaluated | SampleDue | Finished
