"""An image that was looked at in glimpses, and what came of each: what figures are drawn from. Measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Glimpses:
    """T glimpses of an image, each of k patches.

    Attributes:
        name: why it is shown: "surest, and wrong".
        verdict: what was said, and what is right.
        image: `[C, height, width]`, from 0 to 255.
        boxes: left, top and side of each patch in pixels of the image, whose first one goes from 0 to 1, `[T, k, 3]`.
        seen: what was read there, `[T, k, C, g, g]`: 255 is as bright as the image is at most.
        symbols: the names of what can be said.
        chances: the probability of each of them after each glimpse, `[T, V]`.
        each: how many glimpses one object is given.
    """

    name: str
    verdict: str
    image: NDArray[np.float32]
    boxes: Numbers
    seen: NDArray[np.float32]
    symbols: Sequence[str]
    chances: Numbers
    each: int

    @property
    def path(self) -> Numbers:
        """The middle of each glimpse, across and down, `[T, 2]`."""
        return middles(self.boxes)


def middles(boxes: Numbers) -> Numbers:
    """The middle of the finest patch of each, across and down, `[..., 2]`, of boxes `[..., k, 3]`."""
    found: Numbers = boxes[..., 0, :2] + boxes[..., 0, 2:] / 2
    return found
