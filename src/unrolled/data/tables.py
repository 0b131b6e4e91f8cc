"""Tables in text files: lines with columns. Knows lines and columns, no meaning."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unrolled.data import decoding
from unrolled.data.sources import Source
from unrolled.errors import DataError, did_you_mean

_ENDINGS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LONGEST = 1 << 24  # characters of a field

Wanted = str | None  # the name of a column, or its number from 1; None: where nobody says


@dataclass(frozen=True)
class Line:
    """Cells, and where they stand: `"reviews.tsv, line 12"`."""

    where: str
    cells: tuple[str, ...]


def is_table(source: Source) -> bool:
    """Whether its name says that it is one."""
    return source.path.suffix.lower() in _ENDINGS


def lines_of(source: Source) -> Iterator[Line]:
    """The lines of a table, empty ones left out; columns are parted by tabs, in a .csv by commas, with quotes.

    Raises:
        DataError: no UTF-8 text, or a quote that never ends.
    """
    ending = source.path.suffix.lower()
    text = io.StringIO("".join(decoding.characters(source.blocks(), source.name)), newline="")
    if _ENDINGS.get(ending) == ",":
        csv.field_size_limit(_LONGEST)
        reader = csv.reader(text, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield Line(f"{source.name}, line {reader.line_num}", tuple(cells))
        except csv.Error as error:
            raise DataError(f"{source.name}, line {reader.line_num}: {error}") from error
        return
    for number, line in enumerate(text.read().splitlines(), 1):
        if line.strip():
            yield Line(f"{source.name}, line {number}", tuple(line.split("\t")))


def columns_of(lines: Sequence[Line], wanted: Sequence[Wanted], usual: Sequence[Sequence[str]]) -> list[list[Line]]:
    """Of each column that is wanted, its cells, a line each. A head line is read as one where it names a column.

    Args:
        lines: of a table, at least one.
        wanted: the name of each column, or its number; None: one of its usual names, else its place.
        usual: the names that each of them often has, small.

    Raises:
        DataError: no such column, or a line with another number of columns.
    """
    head = lines[0]
    names = [cell.strip().lower() for cell in head.cells]
    places = [
        _place(head, names, one, place, known) for place, (one, known) in enumerate(zip(wanted, usual, strict=True))
    ]
    if len(set(places)) < len(places):
        raise DataError(f"{head.where}: one column was asked for twice, give different ones")
    given = {one.strip().lower() for one in wanted if one is not None}
    has_head = any(names[place] in {*known, *given} for place, known in zip(places, usual, strict=True))
    rows = lines[1:] if has_head else lines
    for line in rows:
        if len(line.cells) != len(names):
            raise DataError(
                f"{line.where} has {len(line.cells)} columns, the first line of that file {len(names)}: mend the line"
            )
    return [[Line(line.where, (line.cells[place],)) for line in rows] for place in places]


def _place(head: Line, names: Sequence[str], wanted: Wanted, place: int, usual: Sequence[str]) -> int:
    """Where a column stands."""
    if wanted is None:
        found = next((names.index(one) for one in usual if one in names), place)
    elif wanted.strip().lower() in names:
        found = names.index(wanted.strip().lower())
    elif wanted.isdecimal() and wanted != "0":
        found = int(wanted) - 1
    else:
        raise DataError(
            f"{head.where}: there is no column {wanted!r}. Its columns are {', '.join(map(repr, head.cells))[:200]};"
            f" a number counts them from 1.{did_you_mean(wanted, head.cells)}"
        )
    if found >= len(names):
        raise DataError(f"{head.where}: there are {len(names)} columns, and column {found + 1} was asked for")
    return found
