"""Tables in text files: lines with columns. Knows lines and columns, no meaning."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from unrolled.data import decoding
from unrolled.data.sources import Source
from unrolled.errors import DataError, did_you_mean

_FEW = 2  # columns: of more, nobody guesses which is which
_ENDINGS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LONGEST = 1 << 24  # characters of a field
_DIGITS = 10  # of the number of a column: one with more is a name

Wanted = str | None  # the name of a column, or its number from 1; None: where nobody says


@dataclass(frozen=True)
class Line:
    """Cells, and where they stand: `"reviews.tsv, line 12"`."""

    where: str
    cells: tuple[str, ...]


def ending(source: Source) -> str:
    """How its name ends, small: `".csv"`."""
    return (source.path.suffix or PurePath(source.name).suffix).lower()


def is_table(source: Source) -> bool:
    """Whether its name says that it is one."""
    return ending(source) in _ENDINGS


def lines_of(source: Source) -> Iterator[Line]:
    """The lines of a table, empty ones left out; columns are parted by tabs, in a .csv by commas, with quotes.

    Raises:
        DataError: no UTF-8 text, or a quote that never ends.
    """
    if _ENDINGS.get(ending(source)) == ",":
        csv.field_size_limit(_LONGEST)
        text = "".join(decoding.characters(source.blocks(), source.name))
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            for cells in reader:
                if cells:
                    yield Line(f"{source.name}, line {reader.line_num}", tuple(cells))
        except csv.Error as error:
            told = " (columns are parted by commas, not by semicolons)" if ";" in text.partition("\n")[0] else ""
            raise DataError(f"{source.name}, line {reader.line_num}: {error}{told}") from error
        return
    for number, line in enumerate(decoding.lines_of(source.blocks(), source.name), 1):
        if line.strip():
            yield Line(f"{source.name}, line {number}", tuple(line.split("\t")))


def how_parted(line: Line) -> str:
    """How columns are to be parted, for who has parted them in another way."""
    told = "columns are parted by tabs, in a .csv by commas"
    return told + ", not by semicolons" * (len(line.cells) == 1 and ";" in line.cells[0])


def some_lines_of(source: Source) -> list[Line]:
    """All of them.

    Raises:
        DataError: as `lines_of`, or there is none.
    """
    lines = list(lines_of(source))
    if not lines:
        raise DataError(f"{source.name} is empty: there is nothing to read in it")
    return lines


def check_no_gaps(source: Source, lines: Sequence[Line]) -> None:
    """Check that no line between others is empty, where each line is an example, and has its answer in order.

    Raises:
        DataError: one is.
    """
    for number, line in enumerate(lines, 1):
        if line.where != f"{source.name}, line {number}":
            raise DataError(
                f"{source.name}, line {number} is empty: answers would not stand beside their lines. Fill it in, or"
                " remove it"
            )


def columns_of(
    lines: Sequence[Line], wanted: tuple[Wanted, Wanted], usual: Sequence[Sequence[str]], *, has_answers: bool = True
) -> list[list[Line]]:
    """The column of what is asked and, if they are wanted, that of the answers: its cells, a line each.

    The first is found in the same way whether answers are wanted or not, so that what was learned from a table is asked
    of it again; without them, no column has to hold any. The first line is a head where `wanted` names a column, where
    it has a usual name for each, or one such name and nothing that stands again in its column. Without a head columns
    stand in the order in which they are wanted.

    Args:
        lines: of a table, at least one.
        wanted: the name of each column, or its number; None: one of its usual names, else what is left.
        usual: the names that each of them often has, small.
        has_answers: whether the second one is wanted.

    Raises:
        DataError: no such column, several that it could be, or a line with another number of columns.
    """
    head = lines[0]
    names = [cell.strip().lower() for cell in head.cells]
    for name in (one for of_one in usual for one in of_one):
        if names.count(name) > 1:
            raise DataError(f"{head.where}: two columns are called {name!r}: give them different names")
    if not has_answers and not _is_there(names, wanted[1]):
        _check_known(head, wanted, usual)
        wanted = wanted[0], None
    if not has_answers and len(names) == 1:
        wanted, usual = (wanted[0], None), (usual[0], ())
    places = [None if one is None else _asked(head, names, one) for one in wanted]
    is_named = any(one is not None and not _is_number(one) for one in wanted)
    has_head = is_named or _seems_a_head(lines, names, [one for one in usual if one])
    found = _others(head, names, places, usual, has_head=has_head, needed=2 if has_answers else 1)
    if len(set(found)) < len(found):
        raise DataError(f"{head.where}: one column was asked for twice, give different ones")
    rows = lines[1:] if has_head else lines
    for line in rows:
        if len(line.cells) != len(names):
            raise DataError(
                f"{line.where} has {len(line.cells)} columns, the first line of that file {len(names)}: mend the line"
            )
    return [[Line(line.where, (line.cells[place],)) for line in rows] for place in found]


def _seems_a_head(lines: Sequence[Line], names: Sequence[str], usual: Sequence[Sequence[str]]) -> bool:
    known = [any(name in names for name in of_one) for of_one in usual]
    if all(known) or not any(known):
        return all(known)
    return not any(
        cell in {line.cells[place] for line in lines[1:] if len(line.cells) > place}
        for place, cell in enumerate(lines[0].cells)
    )


def _is_number(wanted: str) -> bool:
    """Whether a column is counted, not named."""
    return wanted.isdecimal() and wanted.isascii() and len(wanted) < _DIGITS


def _is_there(names: Sequence[str], wanted: Wanted) -> bool:
    """Whether there is a column of that name, or number."""
    if wanted is None or not _is_number(wanted):
        return wanted is not None and wanted.strip().lower() in names
    return 1 <= int(wanted) <= len(names)


def _check_known(head: Line, wanted: tuple[Wanted, Wanted], usual: Sequence[Sequence[str]]) -> None:
    """Check that what is asked can be found without the column of the answers, by whose name it was found.

    Raises:
        DataError: it was known as what is left besides that column, and there are several.
    """
    names = [cell.strip().lower() for cell in head.cells]
    asked, answers = (of_one[0] for of_one in usual)
    if wanted[0] is None and wanted[1] is not None and len(names) > 1 and not any(one in names for one in usual[0]):
        raise DataError(
            f"{head.where}: there is no column {wanted[1]!r}, besides which the {asked} was learned: give one column"
            f" only, that of the {asked}, or call it {asked!r}, or give the {answers}, too"
        )


def _asked(head: Line, names: Sequence[str], wanted: str) -> int:
    """Where the column stands that the user asked for, by number or by name."""
    if _is_number(wanted):
        if not 1 <= int(wanted) <= len(names):
            raise DataError(f"{head.where}: there are {len(names)} columns, and column {wanted} was asked for")
        return int(wanted) - 1
    if wanted.strip().lower() not in names:
        raise DataError(
            f"{head.where}: there is no column {wanted!r}. Its columns are {', '.join(map(repr, head.cells))[:200]};"
            f" a number counts them from 1.{did_you_mean(wanted, head.cells)}"
        )
    if names.count(wanted.strip().lower()) > 1:
        raise DataError(f"{head.where}: two columns are called {wanted!r}: give them different names")
    return names.index(wanted.strip().lower())


def _others(
    head: Line,
    names: Sequence[str],
    places: list[int | None],
    usual: Sequence[Sequence[str]],
    *,
    has_head: bool,
    needed: int,
) -> list[int]:
    """The places of the first `needed`; those that nobody asked for by usual names, else by what is left for them."""
    if has_head:
        for number, known in enumerate(usual):
            if places[number] is None:
                places[number] = next((names.index(one) for one in known if one in names), None)
    found = list(places)
    for number, place in enumerate(places[:needed]):
        if place is None:
            free = [one for one in range(len(names)) if one not in found]
            if not free:
                raise DataError(
                    f"{head.where}: there are {len(names)} columns, and no one for the {usual[number][0]}:"
                    f" {how_parted(head)}"
                )
            if len(free) > 1 and (has_head or len(names) > _FEW):
                listed = ", ".join(map(repr, head.cells))[:200]
                raise DataError(
                    f"{head.where}: which column is the {usual[number][0]}? There are {listed}: name it with"
                    f" --{usual[number][0]}-column, or count from 1"
                )
            found[number] = free[0]
    return [one for one in found[:needed] if one is not None]
