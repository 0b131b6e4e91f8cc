"""Words and signs that can be put together again: each piece says on which side it had no space. Knows no vocabulary.

The mark is that of OpenNMT's tokenizer, a joiner. It stands with the sign, or with the word that an apostrophe cuts
short (`d'`), so that a word is one piece wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

JOINER = "\N{HALFWIDTH BLACK SQUARE}"
_IN_TEXT = "\N{BLACK SQUARE}"  # what a mark in a text itself becomes
_PIECE = re.compile(r"\w+['\u2019](?=\w)|\w+|[^\w\s]")


def cut_glued(text: str) -> list[str]:
    """The pieces of a text: `"l'art."` is `l'` glued to the right, `art`, and `.` glued to the left."""
    found = list(_PIECE.finditer(text.replace(JOINER, _IN_TEXT)))
    left, right = [False] * len(found), [False] * len(found)
    for place, (one, other) in enumerate(pairwise(found)):
        if one.end() == other.start():
            if _is_sign(other[0]):
                left[place + 1] = True
            else:
                right[place] = True
    marks = zip(found, left, right, strict=True)
    return [JOINER * is_left + one[0] + JOINER * is_right for one, is_left, is_right in marks]


def glued(pieces: Iterable[str]) -> str:
    """The text of such pieces; where spaces were several, there is one."""
    return "".join(_spaced(pieces))


def _spaced(pieces: Iterable[str]) -> Iterator[str]:
    is_open = True  # nothing stands before it, or what does is glued to it
    for piece in pieces:
        if not is_open and not piece.startswith(JOINER):
            yield " "
        yield piece.strip(JOINER)
        is_open = piece.endswith(JOINER) and len(piece) > 1


def _is_sign(piece: str) -> bool:
    return len(piece) == 1 and not (piece.isalnum() or piece == "_")
