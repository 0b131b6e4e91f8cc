"""A vocabulary of short texts: words, characters, or lines. Knows no files and no models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unrolled.data.gluing import cut_glued, glued

Pieces = Literal["words", "characters", "lines", "glued"]

UNKNOWN = "<unknown>"
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")
_LARGEST = 1 << 20


class Lexicon(BaseModel):
    """What a text is cut into, and the pieces that are known. Id 0 stands for every piece that is not.

    "words" are words and signs; "glued" are words and signs that can be put together again; "characters" are all
    characters; "lines" are lines: words that somebody else cut.
    `lower`: capital letters are read as small ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pieces: Pieces
    lower: bool = False
    entries: tuple[str, ...] = Field(min_length=1, max_length=_LARGEST)

    @model_validator(mode="after")
    def _different(self) -> Lexicon:
        if self.entries[0] != UNKNOWN or len(set(self.entries)) != len(self.entries):
            raise ValueError(f"the entries differ from each other, and the first is {UNKNOWN}")
        return self

    @classmethod
    def of(cls, texts: Iterable[str], pieces: Pieces, size: int, *, lower: bool = False) -> Lexicon:
        """The most frequent pieces of these texts, `size` - 1 at most."""
        counts = Counter(piece for text in texts for piece in cut(text, pieces, lower=lower))
        counts.pop(UNKNOWN, None)
        ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        return cls(pieces=pieces, lower=lower, entries=(UNKNOWN, *(piece for piece, _ in ranked[: size - 1])))

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def unit(self) -> str:
        """What one piece is called."""
        return "character" if self.pieces == "characters" else "word"

    @property
    def unknown(self) -> int | None:
        """The id of everything that is not known."""
        return 0

    def cut(self, text: str) -> list[str]:
        """The pieces of a text, known or not."""
        return cut(text, self.pieces, lower=self.lower)

    def encode(self, text: str) -> NDArray[np.int64]:
        """The ids of its pieces; 0 for those that are not known."""
        return self.ids(self.cut(text))

    def ids(self, pieces: Sequence[str]) -> NDArray[np.int64]:
        """The ids of pieces; 0 for those that are not known."""
        return np.array([self._places.get(piece, 0) for piece in pieces], dtype=np.int64)

    def join(self, pieces: Sequence[str]) -> str:
        """A text of these pieces."""
        if self.pieces == "glued":
            return glued(pieces)
        return ("" if self.pieces == "characters" else " ").join(pieces)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {piece: place for place, piece in enumerate(self.entries) if place}


def cut(text: str, pieces: Pieces, *, lower: bool) -> list[str]:
    """The pieces of a text."""
    text = text.lower() if lower else text
    if pieces == "characters":
        return list(text)
    if pieces == "glued":
        return cut_glued(text)
    return text.split("\n") if pieces == "lines" else _WORD.findall(text)
