"""Brackets of a text: which closes which, how far back it stood, how many are closed well. Knows text only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.inspection.labels import Kind, Reading, kind_of

_OPENS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Brackets:
    """Those outside of strings and comments.

    pairs: (open, close), the places of brackets that belong together. opened, wrong: how many were opened in all, and
    how many close nothing, or something else.
    """

    pairs: list[tuple[int, int]]
    opened: int
    wrong: int


def brackets_of(text: str, kind: Kind | None = None) -> Brackets:
    """The brackets of a text. One that closes something else closes nothing, and what it met stays open."""
    code = Reading(text, kind or kind_of(text)).code
    waiting: list[int] = []
    pairs: list[tuple[int, int]] = []
    opened = wrong = 0
    for place, one in enumerate(code):
        if one in _OPENS.values():
            waiting.append(place)
            opened += 1
        elif one in _OPENS:
            if waiting and code[waiting[-1]] == _OPENS[one]:
                pairs.append((waiting.pop(), place))
            else:
                wrong += 1
    return Brackets(pairs, opened, wrong)


@dataclass(frozen=True)
class ByDistance:
    """How well closing brackets are expected that lie so far behind what they close.

    least, most: the distances, from the first to below the second. count: how many there are. chances: each model's
    mean probability.
    """

    least: int
    most: int
    count: int
    chances: dict[str, float]


def by_distance(
    text: str, chances: dict[str, NDArray[Any]], bins: tuple[int, ...] = (1, 5, 10, 20, 30, 40, 60, 80, 120, 200, 1000)
) -> list[ByDistance]:
    """Closing brackets by their distance to what they close (Karpathy et al. 2015, section 4.3).

    chances: model -> the probability of each character of the text `[N]`, given those before it. A bin without a
    bracket is left out.
    """
    pairs = brackets_of(text).pairs
    distances = np.array([close - begin for begin, close in pairs], dtype=np.int64)
    places = np.array([close for _, close in pairs], dtype=np.int64)
    found = []
    for least, most in pairwise(bins):
        here = places[(distances >= least) & (distances < most)]
        if len(here):
            means = {name: float(np.asarray(values)[here].mean()) for name, values in chances.items()}
            found.append(ByDistance(least, most, len(here), means))
    return found
