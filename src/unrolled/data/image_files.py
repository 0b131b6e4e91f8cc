"""Images as the bytes of a file: a .png, or a film in a .gif, written through the library Pillow. Knows pixels only."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unrolled.data.images import library

Coloured = NDArray[np.uint8]  # [height, width, 3]: red, green, blue


def as_png(image: Coloured) -> bytes:
    """The file of an image.

    Raises:
        ConfigError: Pillow is not installed.
    """
    file = io.BytesIO()
    library()[0].fromarray(image).save(file, "PNG")
    return file.getvalue()


def as_gif(images: Iterable[Coloured], each: int, last: int) -> bytes:
    """The file of a film that begins again at its end; images stand for `each` milliseconds, the last for `last`.

    Each image has 256 colours of its own, those that suit it best: grey is kept as it is.

    Raises:
        ConfigError: Pillow is not installed.
    """
    image_module, _ = library()
    frames = [image_module.fromarray(one) for one in images]
    durations = [each] * (len(frames) - 1) + [last]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return file.getvalue()
