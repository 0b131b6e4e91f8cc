"""Images in a file that the user names: an array, a sheet, or a film, by its ending. Knows no models."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled import files
from unrolled.data.images import library
from unrolled.errors import ConfigError, ShapeError
from unrolled.inspection.albums import film_of, rows_of, sheet_of
from unrolled.inspection.png import encoded

_MOST = 10_000  # images, or steps of some, that are shown
_EACH, _LAST = 200, 2_000  # milliseconds that a step is shown, and the last one
_IMAGES, _STEPS = 4, 5  # dimensions of images [N, C, height, width], and of all their steps [N, T, C, height, width]

Images = NDArray[np.uint8]


def _array(images: Images) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, x=images)
    return content.getvalue()


def _sheet(images: Images) -> bytes:
    return encoded(rows_of(images) if images.ndim == _STEPS else sheet_of(images))


def _film(images: Images) -> bytes:
    """Each image has 256 colours of its own, those that suit it best: grey is kept as it is."""
    image_module, _ = library()
    frames = [image_module.fromarray(one) for one in film_of(images)]
    durations = [_EACH] * (len(frames) - 1) + [_LAST]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return file.getvalue()


_WAYS: dict[str, Callable[[Images], bytes]] = {".npz": _array, ".png": _sheet, ".gif": _film}


def is_film(place: Path) -> bool:
    """Whether what is written there shows all steps."""
    return place.suffix.lower() == ".gif"


def check_images_place(place: Path, count: int = 1) -> None:
    """Check that so many images, or steps of some, may be written there; the folders above it are made.

    Raises:
        ConfigError: it has another ending than .npz, .png or .gif, something is there already, there can be no such
            folder, they are too many to be shown, or Pillow is missing.
    """
    ending = place.suffix.lower()
    if ending not in _WAYS:
        raise ConfigError(
            f"{place}: images are written as a sheet (.png), as a film of all steps (.gif), or as the array x of an"
            " .npz: give a name that ends so"
        )
    if ending == ".gif":
        library()
    if ending != ".npz" and count > _MOST:
        raise ConfigError(f"{place}: at most {_MOST:,} images are shown, not {count:,}: draw fewer, or write an .npz")
    if place.exists():
        raise ConfigError(f"{place} is there already: give another name")
    try:
        files.make_parents(place)
    except OSError as error:
        raise ConfigError(f"{place} cannot be written: {place.parent} is no folder ({error.strerror})") from error


def save_images(images: Images, path: str | PathLike[str]) -> Path:
    """Write images `[N, C, height, width]`, or all steps of them `[N, T, C, height, width]`, by the ending of the name.

    .npz: as `x`, which `--task draw` learns and `predict` reads where it has no steps. .png: on one sheet, in a row for
    each where it has steps. .gif: a film, a step after the other. What is shown is enlarged by a whole factor where it
    is small; of other channels than red, green and blue it is the mean, in grey.

    Raises:
        ConfigError: another ending, something is there already, it cannot be written there, they are too many to be
            shown, or a film needs Pillow. ShapeError: other arrays, none, or a film without steps.
    """
    place, images = Path(path), np.asarray(images)
    wanted = {_STEPS} if is_film(place) else {_IMAGES, _STEPS}
    if images.dtype != np.uint8 or images.ndim not in wanted or not images.size:
        steps = ": draw(..., all_steps=True) gives them" if is_film(place) else ", or without T"
        raise ShapeError(
            f"{place}: images are {images.dtype} {list(images.shape)}: wanted uint8 [N, T, C, height, width]{steps}"
        )
    check_images_place(place, math.prod(images.shape[:-3]))
    content = _WAYS[place.suffix.lower()](images)
    try:
        files.replace({place: content})
    except OSError as error:
        raise ConfigError(f"{place} cannot be written: {error.strerror}") from error
    return place
