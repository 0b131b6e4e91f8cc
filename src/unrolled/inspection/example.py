"""An example that a model has read, and what came of it: what figures of examples are drawn from. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class ExampleRead:
    """An example of T steps, of which a model says one of K classes; or of one of its steps, `at`.

    Attributes:
        name: why it is shown: "surest, and right".
        step: what a step is called: "word".
        steps: what each step is, in letters, `[T]`.
        said, truth: the number of the class that the model says, and of the right one.
        at: the step of which it says so; None: of the whole.
        contributions: method -> what each step added to the log-odds of what was said, in nats, `[T, C]`: `C` is 1,
            or there is a number for each channel.
        gained: those log-odds, less those of an input that says nothing: what integrated gradients come to.
        summed: what they do come to, where they were taken at too few points to come to that; None: they do.
        after: the steps after which it was asked, `[P]`, from 0.
        chances: what it said then: the probabilities of the classes, `[P, K]`.
        path: where its states lay in a plane after each step, `[T, 2]`.
        is_text: whether its steps are words or characters; else they are just numbered.
        pieces_touch: whether no space stands between its steps: they are characters.
    """

    name: str
    step: str
    steps: Sequence[str]
    said: int
    truth: int
    at: int | None
    contributions: Mapping[str, Numbers]
    gained: float
    after: Sequence[int]
    chances: Numbers
    path: Numbers
    is_text: bool
    pieces_touch: bool = False
    summed: float | None = None

    @property
    def chance(self) -> float:
        """The probability of what it says."""
        return float(self.chances[-1 if self.at is None else self.at, self.said])

    def verdict(self, classes: Sequence[str]) -> str:
        """What was said, how surely, of what, and whether it is right; `classes`: their names."""
        where = "" if self.at is None else f" of {self.step} {self.at}"
        judged = "which is right" if self.said == self.truth else f"it is {classes[self.truth]}"
        return f"said {classes[self.said]} ({self.chance:.2f}){where}, {judged}"

    @property
    def doubt(self) -> str:
        """What is wrong with its contributions by integrated gradients, if anything is."""
        return "" if self.summed is None else f"gradients sum to {self.summed:+.2f}, not {self.gained:+.2f}"


@dataclass(frozen=True)
class Cloud:
    """States that a model had: `points` `[N, 2]` in a plane, the class of each, `[N]`; `shares` `[2]` as in `Plane`."""

    points: Numbers
    classes: NDArray[np.int64]
    shares: Numbers


@dataclass(frozen=True)
class Video:
    """T frames `[T, C, height, width]`, and of each the class that was said, the right one, and how likely it was.

    `name`: why it is shown. `said`, `truth`: numbers of classes, `[T]`; `chances`: of what was said, `[T]`.
    """

    name: str
    frames: NDArray[np.float32]
    said: NDArray[np.int64]
    truth: NDArray[np.int64]
    chances: Numbers

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Of which frames the right class was said, `[T]`."""
        right: NDArray[np.bool_] = self.said == self.truth
        return right
