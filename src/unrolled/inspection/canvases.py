"""What a drawer drew, as numbers that can be shown and told. Knows pixels and boxes, no models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Image = NDArray[np.uint8]  # [C, height, width]


@dataclass(frozen=True)
class Growing:
    """An image, and the canvas that became it in T steps.

    name: what it is, in words. image: what was to be drawn; None: it was drawn out of nothing. canvases: before the
    first step and after each, `[T + 1, C, height, width]`. read, written: left, top, right and bottom of the outermost
    filters at each step, `[T, 4]`, in pixels counted from 0; empty without a window.
    """

    name: str
    image: Image | None
    canvases: Image
    read: Numbers = field(default_factory=lambda: np.zeros((0, 4)))
    written: Numbers = field(default_factory=lambda: np.zeros((0, 4)))


@dataclass(frozen=True)
class Costs:
    """What images cost in nats, in the mean.

    said: at each step, for its z, `[T]`. missing: what the pixels would cost with the canvas as it is before the first
    step and after each, `[T + 1]`.
    """

    said: Numbers
    missing: Numbers

    @property
    def whole(self) -> float:
        """The bound: all that was said, and what is missing at the end."""
        return float(self.said.sum() + self.missing[-1])

    @property
    def half(self) -> int:
        """The number of steps, from 1, by which half of all that is said has been said."""
        return int((self.said.cumsum() < self.said.sum() / 2).sum()) + 1


def nearest(images: Sequence[Image], among: NDArray[np.uint8]) -> list[int]:
    """For each image the row of the one among `[N, C, height, width]` that is nearest to it, by squared differences."""
    flat = among.reshape(len(among), -1).astype(np.float64)
    squares = np.square(flat).sum(axis=1)
    return [int((squares - 2 * flat @ one.reshape(-1).astype(np.float64)).argmin()) for one in images]
