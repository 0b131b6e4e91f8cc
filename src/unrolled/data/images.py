"""Images as files hold them, decoded through the library Pillow, and brought to one shape. Knows bytes, no files.

Nothing else needs that library: it is loaded when the first image is read.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError

FrameShape = tuple[int, int, int]  # channels (1: grey, 3: red, green and blue), height, width
Pixels = NDArray[np.uint8]  # [C, height, width]
Fit = Literal["crop", "pad", "stretch"]  # how an image whose sides have another ratio is brought to a shape

_MODES = {1: "L", 3: "RGB"}
_MOST = 1 << 26  # pixels of one file: a side of 8,192
_WHITE = (255, 255, 255, 255)
_BRIGHTEST = 255
_DEEP = 257  # what a number of 16 bits is divided by


def image_of(content: bytes, name: str, shape: FrameShape, fit: Fit = "crop") -> Pixels:
    """The image alone, as `fitted` has it."""
    return fitted(content, name, shape, fit)[0]


def fitted(content: bytes, name: str, shape: FrameShape, fit: Fit) -> tuple[Pixels, bool]:
    """An image `[C, height, width]`, brought to this shape; and whether scaling alone did it.

    Where its sides have another ratio, "crop" scales it until it covers the shape, and cuts it around its middle; "pad"
    scales it until the whole of it lies within, in the middle, and repeats the pixels at its edge to both sides;
    "stretch" scales each side by itself. It is turned as its camera says; what is transparent becomes white; of several
    pictures in a file the first counts.

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
                upright = _upright(image_module, operations, image, shape[0])
                return _brought_to(image_module, operations, upright, shape, fit), _has_ratio(upright.size, shape)
    except DataError:
        raise
    except Exception as error:  # (each of Pillow's readers fails in ways of its own)
        told = str(error).replace("<_io.BytesIO object", "<").partition(" <")[0]
        raise DataError(f"{name} is no image, or it is damaged ({told}): give one that can be shown") from error


def _has_ratio(size: tuple[int, int], shape: FrameShape) -> bool:
    """Whether a width and a height need no more than scaling to fill a shape."""
    return size[0] * shape[1] == size[1] * shape[2]


def _check_size(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > _MOST:
        raise DataError(f"{name} claims {width:,} x {height:,} pixels: at most {_MOST:,} are read. Give a smaller one")
    if not width or not height:
        raise DataError(f"{name} has no pixels, {width} x {height}: give another image")


def _upright(image_module: Any, operations: Any, image: Any, channels: int) -> Any:
    """An image of Pillow as it is meant to be seen, with so many channels."""
    image.load()
    image = operations.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = image_module.fromarray(_eight_bits(np.asarray(image)))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = image_module.alpha_composite(image_module.new("RGBA", image.size, _WHITE), image)
    return image.convert(_MODES[channels])


def _brought_to(image_module: Any, operations: Any, image: Any, shape: FrameShape, fit: Fit) -> Pixels:
    channels, height, width = shape
    bilinear = image_module.Resampling.BILINEAR
    if fit == "crop":
        image = operations.fit(image, (width, height), bilinear)
    elif fit == "pad":
        image = image.resize(_within(image.size, (width, height)), bilinear)
    else:
        image = image.resize((width, height), bilinear)
    pixels = np.asarray(image, dtype=np.uint8).reshape(image.height, image.width, channels)
    return np.ascontiguousarray(_padded(pixels, height, width).transpose(2, 0, 1))


def _within(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same ratio, to a pixel, that has room there."""
    scale = min(room[0] / size[0], room[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _padded(pixels: Pixels, height: int, width: int) -> Pixels:
    """Pixels `[height, width, C]` in the middle of so many; those at the edge are repeated: no border is made."""
    above, left = (height - pixels.shape[0]) // 2, (width - pixels.shape[1]) // 2
    below, right = height - pixels.shape[0] - above, width - pixels.shape[1] - left
    return np.pad(pixels, [(above, below), (left, right), (0, 0)], mode="edge")


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
