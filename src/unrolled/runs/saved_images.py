"""Images in a file that the user names: an array, a sheet, or a film, by its ending. Knows no models."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled import files
from unrolled.data.images import library
from unrolled.errors import ConfigError, ShapeError
from unrolled.inspection.albums import COLOURS, MOST, album_of, film_of, sheet_of
from unrolled.inspection.png import encoded

_EACH, _LAST = 200, 2_000  # milliseconds that a step is shown, and the last one
_EFFORT = 6  # of a sheet, which can be large
_LONGEST = 3_000  # steps of a film: a GIF can show a picture for 655 s, and equal steps become one
_WIDEST = 65_535  # pixels of a film's side, of which a GIF has sixteen bits
IMAGES, STEPS = 4, 5  # dimensions of images [N, C, height, width], and of all their steps [N, T, C, height, width]

Images = NDArray[np.uint8]


def _array(images: Images) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, x=images)
    return content.getvalue()


def _sheet(images: Images) -> bytes:
    return encoded(sheet_of(images), _EFFORT)


def _film(images: Images) -> bytes:
    """Grey is kept as it is; else each step has 256 colours of its own, those that suit it best.

    Pillow makes one picture of steps that are equal, shown for as long as all of them.
    """
    image_module, _ = library()
    is_grey = images.shape[2] != COLOURS
    frames = (image_module.fromarray(one[..., 0] if is_grey else one) for one in film_of(images))
    durations = [_EACH] * (images.shape[1] - 1) + [_LAST]
    file = io.BytesIO()
    next(frames).save(file, "GIF", save_all=True, append_images=frames, duration=durations, loop=0)
    return file.getvalue()


_WAYS: dict[str, Callable[[Images], bytes]] = {".npz": _array, ".png": _sheet, ".gif": _film}


def is_film(place: Path) -> bool:
    """Whether what is written there shows all steps."""
    return place.suffix.lower() == ".gif"


def check_images_place(place: Path, shape: Sequence[int]) -> None:
    """Check that images of this shape, as `save_images` takes them, can be written there. Nothing is left there.

    Raises:
        ConfigError: it has another ending than .npz, .png or .gif, something is there already, no file can be made
            there, they are too many to be shown, or Pillow is missing.
    """
    ending = place.suffix.lower()
    if ending not in _WAYS:
        raise ConfigError(
            f"{place}: images are written as a sheet (.png), as a film of all steps (.gif), or as the array x of an"
            " .npz: give a name that ends so"
        )
    if is_film(place):
        library()
    if ending != ".npz":
        _check_shown(place, shape)
    if "\0" in str(place):
        raise ConfigError(f"{str(place)!r} cannot be written: no name has a null byte. Give another name")
    if os.path.lexists(place):  # (a link that leads nowhere, too)
        raise ConfigError(f"{place} is there already: give another name")
    try:
        files.check_new(place)
    except OSError as error:
        raise _unwritable(place, error) from error


def _check_shown(place: Path, shape: Sequence[int]) -> None:
    """Check that a sheet or a film is none that takes minutes, or that nothing could open."""
    album = album_of(shape, is_film=is_film(place))
    if album.pixels() > MOST:
        raise ConfigError(
            f"{place}: images of {list(shape)} take {album.pixels():,} pixels, and at most {MOST:,} are shown: draw"
            " fewer, or write an .npz"
        )
    if is_film(place) and album.sheets > _LONGEST:
        raise ConfigError(f"{place}: a film shows at most {_LONGEST:,} steps, not {album.sheets:,}: write an .npz")
    if is_film(place) and max(album.size()) > _WIDEST:
        sides = " x ".join(f"{side:,}" for side in album.size())
        raise ConfigError(f"{place}: a film of {sides} pixels has a side of more than {_WIDEST:,}: write an .npz")


def _unwritable(place: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{place} cannot be written: {error.strerror}. Give another place")


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
    wanted = {STEPS} if is_film(place) else {IMAGES, STEPS}
    if images.dtype != np.uint8 or images.ndim not in wanted or not images.size:
        steps = ": draw(..., all_steps=True) gives them" if is_film(place) else ", or without T"
        raise ShapeError(
            f"{place}: images are {images.dtype} {list(images.shape)}: wanted uint8 [N, T, C, height, width]{steps}"
        )
    check_images_place(place, images.shape)
    content = _WAYS[place.suffix.lower()](images)
    try:
        with files.parents(place):
            files.replace({place: content})
    except OSError as error:
        raise _unwritable(place, error) from error
    return place
