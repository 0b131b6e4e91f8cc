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
        boxes: left, top and side of each patch in pixels of the image, `[T, k, 3]`.
        seen: what the sensor gave, `[T, k, C, g, g]`.
        symbols: the names of what can be said.
        chances: the probability of each of them after each glimpse, `[T, V]`.
    """

    name: str
    verdict: str
    image: NDArray[np.float32]
    boxes: NDArray[np.int64]
    seen: NDArray[np.float32]
    symbols: Sequence[str]
    chances: Numbers

    @property
    def path(self) -> Numbers:
        """The middle of each glimpse, across and down, `[T, 2]`."""
        return self.boxes[:, 0, :2] + self.boxes[:, 0, 2:] / 2
