"""Images as text, two pixels a letter, side by side. Knows brightness, no models."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LETTERS = np.array([" ", "\N{LOWER HALF BLOCK}", "\N{UPPER HALF BLOCK}", "\N{FULL BLOCK}"])
_WIDEST = 32  # letters of an image
_GAP = 2


def in_blocks(images: NDArray[Any], columns: int | None = None) -> str:
    """Images `[N, C, height, width]` of numbers from 0 to 1, side by side: a pixel above 1/2 is drawn, others are not.

    In rows of so many letters, an empty line between two; None: in one row. Of a large image only some rows and columns
    are there.
    """
    every = -(-images.shape[3] // _WIDEST)
    bright = images.mean(axis=1)[:, ::every, ::every] > 0.5
    bright = np.pad(bright, [(0, 0), (0, bright.shape[1] % 2), (0, _GAP)])
    letters = _LETTERS[2 * bright[:, ::2] + bright[:, 1::2]]  # [N, lines, columns]
    in_a_row = len(letters) if columns is None else max(1, (columns + _GAP) // letters.shape[2])
    rows = (letters[start : start + in_a_row] for start in range(0, len(letters), in_a_row))
    return "\n\n".join("\n".join("".join(line).rstrip() for line in np.concatenate(row, axis=1)) for row in rows)
