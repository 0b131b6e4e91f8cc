"""The verb "data show": what a named corpus holds, for reading. Knows texts, images and frames; no models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data import corpora
from unrolled.data.arrays import arrays_of
from unrolled.data.sources import Source
from unrolled.runs.tasks.blocks import in_blocks

_CHARACTERS, _IMAGES = 1_000, 6
_LISTED = 10  # labels that are told one by one


@dataclass(frozen=True)
class _Images:
    """Some images `[N, height, width]`, the text of each, and what all are."""

    told: str
    pixels: NDArray[np.uint8]
    texts: Sequence[str]


def shown(name: str, length: int | None = None, columns: int = 80) -> str:
    """The beginning of a corpus that was fetched: so many characters, or images of it, in so many letters a line.

    Of images (of a corpus of videos: of frames of the first one) it is said before how many there are, of what size.

    Raises:
        DataError: there is no such corpus, it is not here yet, or its file is damaged.
    """
    path = corpora.text_of(name)
    if path.suffix != ".npz":
        with path.open(encoding="utf-8") as file:
            return file.read(length or _CHARACTERS)
    arrays = arrays_of(Source(path, str(path)), ("x", "y"), ())
    some = _some(arrays["x"], arrays["y"], length or _IMAGES)
    return f"{some.told}\n\n{in_blocks(some.pixels[:, None] / 255, columns, some.texts)}"


def _some(x: NDArray[Any], y: NDArray[Any], most: int) -> _Images:
    """Of images `[N, height, width]` with `y` `[N]` or `[N, U]`, or of videos `[N, T, height, width]` with `[N, T]`."""
    size = "{} x {} pixels".format(*x.shape[-2:])
    if x.ndim > 3:
        told = f"{len(x):,} videos of {x.shape[1]:,} frames of {size}, a label for each frame: {_listed(y)}"
        return _Images(told, x[0, :most], [str(one) for one in y[0, :most]])
    texts = [" ".join(map(str, one)) for one in y.reshape(len(y), -1)[:most].tolist()]
    one = "a text" if y.dtype.kind == "U" else "a label"
    what = one if y.ndim == 1 else f"{y.shape[1]} labels"
    return _Images(f"{len(x):,} images of {size}, {what} for each: {_listed(y)}", x[:most], texts)


def _listed(y: NDArray[Any]) -> str:
    """The different ones, or how many they are."""
    different = np.unique(y).tolist()
    return ", ".join(map(str, different)) if len(different) <= _LISTED else f"{len(different):,} different ones"
