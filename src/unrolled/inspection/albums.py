"""Images laid out for files that people look at: on one sheet, or a film of sheets. Knows pixels, no models, no files.

Small images are enlarged by a whole factor, each pixel a square; of large ones so-many-th rows and columns are there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from unrolled.inspection.sheets import Pixels, Sheet, coloured, thinned

_ENLARGED = 8  # times, at most
_SIDE = 1024  # pixels that a sheet of small images is enlarged to, at most
_MOST = 1 << 25  # pixels of all images together, before they are enlarged


def sheet_of(images: Pixels) -> Pixels:
    """Images `[N, C, height, width]` in rows on one sheet `[down, across, 3]`."""
    return next(film_of(images[:, None]))


def rows_of(images: Pixels) -> Pixels:
    """Images `[N, T, C, height, width]` on one sheet `[down, across, 3]`: a row for each N, its T side by side."""
    count, steps = images.shape[:2]
    return next(_sheets(images.reshape(1, count * steps, *images.shape[2:]), steps))


def film_of(images: Pixels) -> Iterator[Pixels]:
    """Images `[N, T, C, height, width]`: T sheets `[down, across, 3]`, each of N images on the same places."""
    return _sheets(images.swapaxes(0, 1), columns_for(len(images)))


def columns_for(count: int) -> int:
    """In how many columns so many images stand best: as wide as high to twice as wide, with the fewest gaps."""
    least = math.isqrt(count - 1) + 1
    return min(range(least, 2 * least), key=lambda columns: -count % columns)


def _sheets(images: NDArray[Any], columns: int) -> Iterator[Pixels]:
    """A sheet for each T of images `[T, N, C, height, width]`, with so many columns."""
    shown = thinned(images, max(1, math.isqrt(_MOST // math.prod(images.shape[:2]))))
    height, width = shown.shape[-2:]
    plain = Sheet(height, width, columns)
    times = min(_ENLARGED, max(1, _SIDE // max(plain.size(-(-images.shape[1] // columns)))))
    sheet = Sheet(height * times, width * times, columns)
    for one in shown:
        yield sheet.pixels(coloured(one).repeat(times, axis=1).repeat(times, axis=2))
