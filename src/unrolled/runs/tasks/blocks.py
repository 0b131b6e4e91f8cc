"""Images as text, two pixels a letter, side by side. Knows brightness, no models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LETTERS = np.array([" ", "\N{LOWER HALF BLOCK}", "\N{UPPER HALF BLOCK}", "\N{FULL BLOCK}"])
_WIDEST = 32  # letters of an image
_GAP = 2
_CUT = "..."


def in_blocks(images: NDArray[Any], columns: int | None = None, texts: Sequence[str] = ()) -> str:
    """Images `[N, C, height, width]` of numbers from 0 to 1, side by side: a pixel above 1/2 is drawn, others are not.

    In rows of so many letters, an empty line between two; None: in one row. Of a large image only some rows and columns
    are there. `texts`: one for each image, or none, which stands below it, as far as there is room.
    """
    every = -(-images.shape[3] // _WIDEST)
    bright = images.mean(axis=1)[:, ::every, ::every] > 0.5
    bright = np.pad(bright, [(0, 0), (0, bright.shape[1] % 2), (0, _GAP)])
    letters = _LETTERS[2 * bright[:, ::2] + bright[:, 1::2]]  # [N, lines, columns]
    in_a_row = len(letters) if columns is None else max(1, (columns + _GAP) // letters.shape[2])
    rows = []
    for start in range(0, len(letters), in_a_row):
        lines = ["".join(line) for line in np.concatenate(letters[start : start + in_a_row], axis=1)]
        below = "".join(_below(one, letters.shape[2]) for one in texts[start : start + in_a_row])
        rows.append("\n".join(line.rstrip() for line in [*lines, *[below] * bool(texts)]))
    return "\n\n".join(rows)


def _below(text: str, width: int) -> str:
    """A text on so many letters, the gap among them."""
    room = width - _GAP
    fits = len(text) <= room
    return (text if fits else f"{text[: max(0, room - len(_CUT))]}{_CUT}"[:room]).ljust(width)
