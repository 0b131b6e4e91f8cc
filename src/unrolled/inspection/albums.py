"""Images laid out for files that people look at: on one sheet, or a film of sheets. Knows pixels, no models, no files.

Small images are enlarged by a whole factor, each pixel a square. None is made smaller: how large all becomes is known
before there are any images, see `Album`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unrolled.inspection.sheets import Pixels, Sheet

MOST = 32_000_000  # pixels of all sheets together: as a file at most a quarter of a minute, and half a gigabyte
_ENLARGED = 8  # times, at most
_SIDE = 1024  # pixels that a sheet of small images is enlarged to, at most
COLOURS = 3  # channels: red, green, blue


@dataclass(frozen=True)
class Album:
    """So many sheets, each with `rows` x `columns` places for images of `height` x `width` pixels."""

    sheets: int
    rows: int
    columns: int
    height: int
    width: int

    @property
    def times(self) -> int:
        """How much the images are enlarged: as far as a sheet stays small, and all sheets together within `MOST`."""
        return max((times for times in range(1, _ENLARGED + 1) if self._has_room(times)), default=1)

    def size(self, times: int = 1) -> tuple[int, int]:
        """Height and width of a sheet, the gaps between images among them, where these are enlarged so much."""
        return self.sheet(times).size(self.rows)

    def pixels(self, times: int = 1) -> int:
        """Of all sheets together."""
        return self.sheets * math.prod(self.size(times))

    def sheet(self, times: int) -> Sheet:
        """The paper."""
        return Sheet(self.height * times, self.width * times, self.columns)

    def _has_room(self, times: int) -> bool:
        return max(self.size(times)) <= _SIDE and self.pixels(times) <= MOST


def album_of(shape: Sequence[int], *, is_film: bool) -> Album:
    """The album of images `[N, C, height, width]`, or of all steps of them `[N, T, C, height, width]`.

    A film has a sheet for each T; else there is one, with a row for each N that has steps.
    """
    *numbers, _, height, width = shape
    count, steps = numbers if len(numbers) > 1 else (*numbers, 1)
    if len(numbers) > 1 and not is_film:
        return Album(1, count, steps, height, width)
    columns = columns_for(count)
    return Album(steps, -(-count // columns), columns, height, width)


def sheet_of(images: Pixels) -> Pixels:
    """Images `[N, C, height, width]`, or `[N, T, C, height, width]` in rows of T, on one sheet `[down, across, 3]`."""
    album = album_of(images.shape, is_film=False)
    return next(_sheets(album, images.reshape(1, -1, *images.shape[-3:])))


def film_of(images: Pixels) -> Iterator[Pixels]:
    """Images `[N, T, C, height, width]`: T sheets `[down, across, 3]`, each of N images on the same places."""
    return _sheets(album_of(images.shape, is_film=True), images.swapaxes(0, 1))


def columns_for(count: int) -> int:
    """In how many columns so many images stand best: as wide as high to twice as wide, with the fewest gaps."""
    least = math.isqrt(count - 1) + 1
    return min(range(least, 2 * least), key=lambda columns: -count % columns)


def _sheets(album: Album, images: Pixels) -> Iterator[Pixels]:
    """The sheets of images `[sheets, N, C, height, width]`, one after the other: there is never more than one."""
    times = album.times
    for one in images:
        shown = _coloured(one)
        yield album.sheet(times).pixels(shown if times == 1 else shown.repeat(times, axis=1).repeat(times, axis=2))


def _coloured(images: Pixels) -> Pixels:
    """Images `[N, C, height, width]` as red, green and blue `[N, height, width, 3]`.

    Of other than three channels it is the mean, in grey. What is grey or coloured is looked at as it lies: a copy in
    numbers with a point, as `sheets.coloured` needs them for its limits, would take many times its room.
    """
    if images.shape[1] not in (1, COLOURS):
        images = images.mean(axis=1, keepdims=True, dtype=np.float32).round().astype(np.uint8)
    return np.broadcast_to(images, (len(images), COLOURS, *images.shape[2:])).transpose(0, 2, 3, 1)
