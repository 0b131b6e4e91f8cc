"""Images as files hold them, decoded through the library Pillow, and brought to one shape. Knows bytes, no files.

Nothing else needs that library: it is loaded when the first image is read.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError

FrameShape = tuple[int, int, int]  # channels (1: grey, 3: red, green and blue), height, width
Pixels = NDArray[np.uint8]  # [C, height, width]

_MODES = {1: "L", 3: "RGB"}
_MOST = 1 << 26  # pixels of one file: a side of 8,192
_WHITE = (255, 255, 255, 255)
_BRIGHTEST = 255
_DEEP = 257  # what a number of 16 bits is divided by


def image_of(content: bytes, name: str, shape: FrameShape) -> Pixels:
    """An image, brought to this shape: scaled until it covers it, and cut around its middle. `[C, height, width]`.

    It is turned as its camera says; what is transparent becomes white; of several pictures in a file the first counts.

    Raises:
        ConfigError: Pillow is not installed, or images cannot have so many channels.
        DataError: no image, a damaged one, or one of too many pixels or none.
    """
    if shape[0] not in _MODES:
        raise ConfigError(
            f"{name}: images of {shape[0]} channels were learned, and a file has 1 (grey) or 3 (rgb): give such"
            " images as an .npz"
        )
    image_module, operations = library()
    if not content:
        raise DataError(f"{name} is empty: give an image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # (about sizes, which are checked here, and about odd headers)
            with image_module.open(io.BytesIO(content)) as image:
                _check_size(name, image.size)
                return _brought_to(image_module, operations, image, shape)
    except DataError:
        raise
    except Exception as error:  # (each of Pillow's readers fails in ways of its own)
        told = str(error).replace("<_io.BytesIO object", "<").partition(" <")[0]
        raise DataError(f"{name} is no image, or it is damaged ({told}): give one that can be shown") from error


def _check_size(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > _MOST:
        raise DataError(f"{name} claims {width:,} x {height:,} pixels: at most {_MOST:,} are read. Give a smaller one")
    if not width or not height:
        raise DataError(f"{name} has no pixels, {width} x {height}: give another image")


def _brought_to(image_module: Any, operations: Any, image: Any, shape: FrameShape) -> Pixels:
    channels, height, width = shape
    image.load()
    image = operations.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = image_module.fromarray(_eight_bits(np.asarray(image)))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = image_module.alpha_composite(image_module.new("RGBA", image.size, _WHITE), image)
    fitted = operations.fit(image.convert(_MODES[channels]), (width, height), image_module.Resampling.BILINEAR)
    pixels = np.asarray(fitted, dtype=np.uint8).reshape(height, width, channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _eight_bits(values: NDArray[Any]) -> Pixels:
    """Grey values of another type than bytes, by the type alone: whole numbers have sixteen bits, others go up to 1.

    Raises:
        ValueError: there are others.
    """
    is_whole = values.dtype.kind in "biu"
    scaled = values.astype(np.float64) / _DEEP if is_whole else values.astype(np.float64) * _BRIGHTEST
    if not bool(np.isfinite(scaled).all()) or scaled.max(initial=0) > _BRIGHTEST + 1 or scaled.min(initial=0) < -1:
        limits = "0 to 65,535" if is_whole else "0 to 1"
        raise ValueError(f"its grey values go beyond {limits}: write it with bytes")
    rounded: Pixels = scaled.round().clip(0, _BRIGHTEST).astype(np.uint8)
    return rounded


def library() -> tuple[Any, Any]:
    """Pillow's modules Image and ImageOps.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ConfigError("files of images need the library Pillow: pip install 'unrolled[images]'") from error
    return Image, ImageOps
