"""Pixels as a PNG, also one that stands in the page itself. Knows bytes, not what they show.

In a figure numbers take a third more than their bytes; a PNG is packed, and drawings have few shades.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RED_GREEN_BLUE = 2  # the colour type
_DEPTH = 8  # bits of a sample
_SMALLEST = 9


def encoded(pixels: NDArray[np.uint8], effort: int = _SMALLEST) -> bytes:
    """Red, green and blue `[height, width, 3]` as a PNG's file (W3C, "Portable Network Graphics", second edition).

    effort: how hard zlib tries, to 9; the last steps save little, and can take twenty times as long.
    """
    height, width, _ = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, _DEPTH, _RED_GREEN_BLUE, 0, 0, 0)
    lines = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # each begins with its filter, here 0: none
    lines[:, 1:] = pixels.reshape(height, 3 * width)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(lines.tobytes(), effort)), _chunk(b"IEND", b""))
    return _SIGNATURE + b"".join(parts)


def embedded(pixels: NDArray[np.uint8]) -> str:
    """The same as a data URI."""
    return "data:image/png;base64," + base64.b64encode(encoded(pixels)).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
