"""Pairs of texts as a run keeps them, and as ids. Knows no models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from unrolled.data import Examples, Lexicon, Pairs, Parallel, Ragged, Spelling
from unrolled.data.decoding import lines_of
from unrolled.errors import DataError
from unrolled.runs.tasks.examples import AboutExamples

LONGEST = 10_000  # pieces


class AboutTranslation(AboutExamples):
    """The vocabularies of both sides, and how many pieces the longest target has that is learned."""

    source: Lexicon | Pairs
    target: Lexicon | Pairs
    longest: int = Field(ge=1, le=LONGEST)

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return self.target.unit

    @property
    def can_copy(self) -> bool:
        """Whether a piece of the source can stand for one that the target does not have."""
        alike = isinstance(self.source, Lexicon) and isinstance(self.target, Lexicon)
        return alike and getattr(self.source, "pieces", "") == getattr(self.target, "pieces", "")


@dataclass(frozen=True)
class Translated(Examples):
    """Examples, and the texts that they are made of."""

    texts: tuple[Parallel, ...]

    @property
    def sources(self) -> list[str]:
        """What is to be translated."""
        return [one.source for one in self.texts]

    def pick(self, rows: Sequence[int] | NDArray[np.int64]) -> Self:
        """Some of them, in that order."""
        return replace(super().pick(rows), texts=tuple(self.texts[int(row)] for row in rows))


def translated(source: Spelling, target: Spelling, pairs: Sequence[Parallel], most: int) -> Translated:
    """Pairs as ids.

    Raises:
        DataError: one has more than `most` pieces on a side.
    """
    inputs = Ragged.of(encoded(source, one.source, one.where, most) for one in pairs)
    targets = Ragged.of(encoded(target, one.target, one.where, most, least=0) for one in pairs)
    return Translated(inputs, targets, tuple(pairs))


def encoded(spelling: Spelling, text: str, where: str, most: int, least: int = 1) -> NDArray[np.int32]:
    """The ids of a text; one that has no piece is one unknown piece."""
    pieces = spelling.cut(text)
    if len(pieces) > most:
        raise DataError(
            f"{where}: a text has {len(pieces):,} {spelling.unit}s, at most {most:,} are allowed: remove it, cut it, or"
            " train with a larger --max-length"
        )
    ids = spelling.ids(pieces).astype(np.int32)
    return ids if len(ids) >= least else np.zeros(least, dtype=np.int32)


def stored_pairs(pairs: Iterable[Parallel]) -> bytes:
    """A file of these pairs: a line each, source and target parted by a tab."""
    return "".join(f"{one.source}\t{one.target}\n" for one in pairs).encode("utf-8")


def read_pairs(path: Path) -> list[Parallel]:
    """The pairs in such a file.

    Raises:
        DataError: it is none.
    """
    pairs = []
    for number, line in enumerate(lines_of([path.read_bytes()], str(path)), 1):
        cells = line.split("\t")
        if len(cells) != 2:
            raise DataError(f"{path}, line {number}: wanted a source, a tab and a target")
        pairs.append(Parallel(cells[0], cells[1], f"{path.name}, line {number}"))
    return pairs
