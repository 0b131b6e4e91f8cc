"""What a run says while it lasts, besides what its training says. Losses are nats per token."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from unrolled.training import Event


@dataclass(frozen=True)
class Told:
    """What a run learns: how much is learned and held out, in units of `unit`, and all of it in words.

    What is remarkable in how it was read has lines of its own.
    """

    unit: str
    train: int
    held_out: int
    words: str


@dataclass(frozen=True)
class Prepared:
    """The run is about to start: on what, how large it is, and after how many steps.

    `unit`, `train`, `held_out` and `words`: see `Told`.
    `engine` says which engine runs the layers: "native, avx512", or "reference: why".
    `data` are the names under which the data were asked for.
    """

    path: str
    task: str
    unit: str
    train: int
    held_out: int
    words: str
    cell: str
    parameters: int
    engine: str
    data: tuple[str, ...]
    step: int


@dataclass(frozen=True)
class Warned:
    """Something that the user should know, and that stops nothing."""

    message: str


@dataclass(frozen=True)
class Sampled:
    """What shows how far the model is after so many steps; `what` says what the text is: "what it writes"."""

    step: int
    text: str
    what: str


@dataclass(frozen=True)
class Diverged:
    """How far predictions on held-out text are from n-gram models, after so many steps: n -> nats per token.

    See `inspection.divergences`.
    """

    step: int
    divergences: dict[int, float]


@dataclass(frozen=True)
class Saved:
    """The run lies in its folder, as it is after so many steps."""

    step: int
    path: str


@dataclass(frozen=True)
class AlreadyDone:
    """There is nothing to resume: all steps are done."""

    step: int
    path: str


RunEvent = Prepared | Warned | Sampled | Diverged | Saved | AlreadyDone | Event
Listener = Callable[[RunEvent], None]


def named(event: RunEvent) -> dict[str, Any]:
    """An event as an object for JSON: `{"event": "sample_due", "step": 16}`."""
    return {"event": re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower(), **asdict(event)}
