"""Where a writer looked while it wrote, in figures. Knows pieces and weights, no models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Alignment:
    """What was written about a source.

    name: what the slider says of it. title: of the picture. source, written: pieces; `written` has the end as its last.
    weights: how much each piece of the source counted for each that was written, `[U, S]`; rows have a sum of 1.
    """

    name: str
    title: str
    source: Sequence[str]
    written: Sequence[str]
    weights: NDArray[Any]


@dataclass(frozen=True)
class Looking:
    """How a writer looked at its sources, in the mean over all that it wrote.

    sharpest: the largest weight of each step. order: Pearson's r between the place of a step in what was written and
    the place that it looked at, 1 where it goes through the source in its order; NaN where neither moves.
    """

    sharpest: float
    order: float


def looking(shown: Sequence[Alignment]) -> Looking:
    """The figures of these, of which there is at least one."""
    sharpest = np.concatenate([one.weights.max(axis=1) for one in shown])
    steps = np.concatenate([np.linspace(0, 1, len(one.weights)) for one in shown])
    places = np.concatenate([one.weights.argmax(axis=1) / max(1, len(one.source) - 1) for one in shown])
    moves = steps.std() > 0 and places.std() > 0
    return Looking(float(sharpest.mean()), float(np.corrcoef(steps, places)[0, 1]) if moves else float("nan"))
