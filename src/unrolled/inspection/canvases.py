"""What a drawer drew, as numbers that can be shown and told. Knows pixels and boxes, no models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    latent: at each step, for its z, `[T]`. reconstruction: what the pixels would cost with the canvas as it is before
    the first step and after each, `[T + 1]`.
    """

    latent: Numbers
    reconstruction: Numbers

    @property
    def whole(self) -> float:
        """The bound: all of z, and the pixels at the end."""
        return float(self.latent.sum() + self.reconstruction[-1])

    @property
    def half(self) -> int:
        """The number of steps, from 1, by which half of all that z costs was spent."""
        return int((self.latent.cumsum() < self.latent.sum() / 2).sum()) + 1


def nearest(images: Sequence[Image], among: Iterable[Image]) -> list[Image]:
    """For each image the nearest one, by squared differences, of many, which come in parts `[N, C, height, width]`."""
    flat = np.stack([one.reshape(-1) for one in images]).astype(np.float64)
    least, found = np.full(len(images), np.inf), list(images)
    for part in among:
        others = part.reshape(len(part), -1).astype(np.float64)
        distances = np.square(others).sum(axis=1) - 2 * flat @ others.T  # (less what is the same for all)
        for number in np.flatnonzero(distances.min(axis=1) < least):
            found[number] = part[distances[number].argmin()]
        least = np.minimum(least, distances.min(axis=1))
    return found
