"""Where a captioner looked in images while it told of them, in figures. Knows pixels and weights, no models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_TIMES = 8  # of even: so much, and more, is shown alike


@dataclass(frozen=True)
class Gaze:
    """What was told of an image.

    name: what the slider says of it. title: of the picture. pixels: the image, uint8 `[C, height, width]`. pieces: what
    was told, with the end as its last. weights: how much each place of the image counted before each piece, `[U, rows,
    columns]`; each `[rows, columns]` has a sum of 1. place: pixels of a place along a side; None: all are alike.
    """

    name: str
    title: str
    pixels: NDArray[np.uint8]
    pieces: Sequence[str]
    weights: NDArray[np.float32]
    place: int | None = None

    def enlarged(self) -> NDArray[np.float32]:
        """How far above even the weight of each pixel is, `[U, height, width]`: 0 if no more than if all were alike.

        1: eight times as much as even, or all of the weight.
        """
        sides = zip(self.pixels.shape[1:], self.weights.shape[1:], strict=True)
        down, across = (
            np.arange(size) * places // size if self.place is None else np.arange(size) // self.place
            for size, places in sides
        )
        even = 1 / self.weights[0].size
        most = min(_MOST_TIMES * even, 1.0)
        above = ((self.weights - even) / (most - even or 1.0)).clip(0, 1)
        large: NDArray[np.float32] = above[:, down][:, :, across].astype(np.float32)
        return large


@dataclass(frozen=True)
class Gazing:
    """How a captioner looked at its images, in the mean over all that it told.

    sharpest: the largest weight of each step. even: what that would be if every place counted the same. moved: how far
    the middle of what it looked at moved from a step to the next, in sides of the image; NaN where nothing was told but
    ends.
    """

    sharpest: float
    even: float
    moved: float


def gazing(shown: Sequence[Gaze]) -> Gazing:
    """The figures of these, of which there is at least one."""
    flat = [one.weights.reshape(len(one.weights), -1) for one in shown]
    sharpest = float(np.concatenate([one.max(axis=1) for one in flat]).mean())
    steps = [np.linalg.norm(np.diff(_middles(one.weights), axis=0), axis=1) for one in shown]
    moves = np.concatenate(steps)
    return Gazing(sharpest, 1 / flat[0].shape[1], float(moves.mean()) if len(moves) else float("nan"))


def _middles(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """The middle of the weights of each step, `[U, 2]`, in sides of the image from the upper left."""
    rows, columns = weights.shape[1:]
    down, across = ((np.arange(places) + 0.5) / places for places in (rows, columns))
    return np.stack([weights.sum(axis=2) @ down, weights.sum(axis=1) @ across], axis=1)
