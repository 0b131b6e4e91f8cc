"""Images of one size on one sheet: where each lies, and its pixels. Knows bytes, no figures and no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Number = TypeVar("Number", bound=np.generic)

BYTES = (0.0, 255.0)  # the brightness of what is black, and of what is white
_WHITE = 255
_LINE = 190  # the shade of the line around an image: many are white
_COLOURS = 3  # channels: red, green, blue


def thinned(images: NDArray[Number], finest: int) -> NDArray[Number]:
    """Images `[..., height, width]`, every so-many-th pixel of large ones: along no side more than `finest`."""
    every = apart(images, finest)
    return images[..., ::every, ::every]


def apart(images: NDArray[Any], finest: int) -> int:
    """How far the pixels that `thinned` leaves lie from each other."""
    longer: int = max(images.shape[-2:])
    return -(-longer // finest)


def coloured(images: NDArray[Any], limits: tuple[float, float] | None = BYTES) -> Pixels:
    """Images `[N, C, height, width]` as red, green and blue `[N, height, width, 3]`.

    As they are with three channels, else the mean of theirs, in grey. `limits`: what is shown as black, and as the
    brightest, and numbers outside as these; None: the least and the greatest number that there is.
    """
    shown = images if images.shape[1] == _COLOURS else images.mean(axis=1, keepdims=True).repeat(_COLOURS, axis=1)
    low, high = limits or (float(shown.min()), float(shown.max()))
    scaled = (shown.clip(low, high) - low) / (high - low or 1.0) * _WHITE
    return np.ascontiguousarray(scaled.round().astype(np.uint8).transpose(0, 2, 3, 1))


@dataclass(frozen=True)
class Sheet:
    """White paper for images of `height` x `width` pixels, so many columns of them, each with a thin line around it.

    gap: pixels around each image, the line among them. below, beside: more room under each, and right of each.
    """

    height: int
    width: int
    columns: int
    gap: int = 2
    below: int = 0
    beside: int = 0

    def size(self, rows: int) -> tuple[int, int]:
        """Height and width of a sheet of so many rows."""
        return rows * self._down + self.gap, self.columns * self._across + self.gap

    def corner(self, number: int) -> tuple[int, int]:
        """The row and the column of the first pixel of an image, counted along the rows."""
        row, column = divmod(number, self.columns)
        return self.gap + row * self._down, self.gap + column * self._across

    def under(self, number: int) -> tuple[float, float]:
        """Across and down: the middle of the lower side of an image."""
        top, left = self.corner(number)
        return left + (self.width - 1) / 2, top + self.height - 0.5

    def pixels(self, images: Sequence[Pixels] | Pixels, numbers: Sequence[int] | None = None) -> Pixels:
        """Images `[height, width, 3]` on their places: those of `numbers`, else one after the other."""
        places = range(len(images)) if numbers is None else numbers
        sheet = np.full((*self.size(max(places) // self.columns + 1), _COLOURS), _WHITE, dtype=np.uint8)
        for image, place in zip(images, places, strict=True):
            top, left = self.corner(place)
            sheet[top - 1 : top + self.height + 1, left - 1 : left + self.width + 1] = _LINE
            sheet[top : top + self.height, left : left + self.width] = image
        return sheet

    def scale(self, width: int, most: int | None = None) -> float:
        """Pixels of the page for one of the sheet: it has so much width, no side of an image is longer than `most`."""
        scale = width / self.size(1)[1]
        return scale if most is None else min(scale, most / max(self.height, self.width))

    def tall(self, rows: int, width: int, most: int | None = None) -> int:
        """Pixels of the page that so many rows are high, at the scale of `width` and `most`."""
        return round(self.size(rows)[0] * self.scale(width, most))

    @property
    def _down(self) -> int:
        return self.height + self.below + self.gap

    @property
    def _across(self) -> int:
        return self.width + self.beside + self.gap
