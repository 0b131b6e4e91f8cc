"""Texts in pairs, a source and its target: tables, two files line by line, catalogues of messages. Knows no ids."""

from __future__ import annotations

import codecs
import io
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.data.decoding import lines_of as text_lines
from unrolled.data.sources import Place, Source
from unrolled.data.tables import Wanted, check_no_gaps, columns_of, ending, how_parted, is_table, some_lines_of
from unrolled.errors import ConfigError, DataError

_SOURCE = ("source", "src", "from", "input", "original", "word")
_TARGET = ("target", "tgt", "to", "output", "translation", "pronunciation")
_CATALOGUES = (".po", ".mo")
_DIGITS = 2  # of the number of plurals
_PLURALS = 10  # more than any language has


@dataclass(frozen=True)
class Parallel:
    """A text, what belongs to it (empty where nobody asked), and where it stands: `"pairs.tsv, line 12"`."""

    source: str
    target: str
    where: str


def parallel(
    places: Sequence[Place], source: Wanted = None, target: Wanted = None, *, has_targets: bool = True
) -> list[Parallel]:
    """All pairs in these places.

    A .tsv or .csv is a table with a column of sources and one of targets (`source` and `target` name them, or count
    them from 1); .po and .mo are gettext's catalogues, of which fuzzy and untranslated messages are passed over; two
    files without tabs belong together line by line. Without `has_targets` only sources are read, and a file of lines
    holds one in each.

    Raises:
        DataError: nothing there, or something else, an empty text, files of different lengths; with file and line.
        ConfigError: a catalogue, and the library that reads it is not here.
    """
    sources = [one for place in places for one in place.sources]
    if has_targets and len(sources) == 2 and _are_aligned(*sources):
        pairs = list(_aligned(*sources))
    else:
        pairs = [pair for one in sources for pair in _of_source(one, (source, target), has_targets=has_targets)]
    if not pairs:
        raise DataError(f"{', '.join(place.name for place in places)}: there is nothing to translate in it")
    return pairs


def _are_aligned(*sources: Source) -> bool:
    """Whether two files hold one side each: no table and no catalogue.

    Raises:
        DataError: there is a tab in one of them alone.
    """
    if any(is_table(one) or ending(one) in _CATALOGUES for one in sources):
        return False
    tabs = [next((n for n, line in enumerate(_lines(one), 1) if "\t" in line), 0) for one in sources]
    if all(tabs) or not any(tabs):
        return not any(tabs)
    with_tab, other = sources if tabs[0] else reversed(sources)
    raise DataError(
        f"{with_tab.name}, line {max(tabs)} has a tab, and {other.name} has none: two files that belong together line"
        " by line have none, in a table each line has one"
    )


def _lines(source: Source) -> list[str]:
    return text_lines(source.blocks(), source.name)


def _aligned(first: Source, second: Source) -> Iterator[Parallel]:
    """Two files, line by line; a line that is empty in both is passed over."""
    left, right = ([_in_a_line(line) for line in _lines(one)] for one in (first, second))
    if len(left) != len(right):
        raise DataError(
            f"{first.name} has {len(left):,} lines, {second.name} {len(right):,}: each line of one belongs to that of"
            " the other, so there have to be as many. Where is one missing?"
        )
    for number, (one, other) in enumerate(zip(left, right, strict=True), 1):
        if not one and not other:
            continue
        if not one or not other:
            empty, full = (first, second) if not one else (second, first)
            raise DataError(
                f"{empty.name}, line {number} is empty, and in {full.name} it is not: fill it in, or empty both"
            )
        yield Parallel(one, other, f"{first.name}, line {number}")


def _of_source(source: Source, columns: tuple[Wanted, Wanted], *, has_targets: bool) -> Iterator[Parallel]:
    if ending(source) in _CATALOGUES:
        yield from _catalogue(source, has_targets=has_targets)
        return
    lines = some_lines_of(source)
    is_alone = not has_targets and all(len(line.cells) == 1 for line in lines)
    if is_alone and not is_table(source):  # sources alone, a line each
        check_no_gaps(source, lines)
        found = [lines]
    else:
        if len(lines[0].cells) == 1 and not is_alone:
            raise DataError(
                f"{lines[0].where}: there is one column, so no target: {how_parted(lines[0])};"
                " or give two files that belong together line by line"
            )
        found = columns_of(lines, columns, (_SOURCE, _TARGET), has_answers=has_targets)
    for line in zip(*found, strict=True):
        texts = [_in_a_line(one.cells[0]) for one in line]
        for text, what in zip(texts, ("source", "target"), strict=False):
            if not text:
                raise DataError(f"{line[0].where}: the {what} is empty. Fill it in, or remove the line")
        yield Parallel(texts[0], texts[1] if has_targets else "", line[0].where)


def _catalogue(source: Source, *, has_targets: bool) -> Iterator[Parallel]:
    """The messages of a catalogue; of those that have a plural, the singular."""
    for message in _read_catalogue(source):
        original, translated = (
            _in_a_line((one[0] if isinstance(one, tuple | list) else one) or "") for one in (message.id, message.string)
        )
        if not original or (has_targets and (message.fuzzy or not translated)):
            continue
        where = f"{source.name}, line {message.lineno}" if message.lineno else f"{source.name}, {original[:30]!r}"
        if any("\ud800" <= sign <= "\udfff" for sign in original + translated):
            raise DataError(f"{where}: the message holds half a character. Mend it, or its charset")
        yield Parallel(original, translated if has_targets else "", where)


def _in_a_line(text: str) -> str:
    """The text with one space where several stand, or an end of a line; without a mark of the order of bytes."""
    return " ".join(text.replace("\ufeff", "").split())


def _read_catalogue(source: Source) -> Any:
    try:
        from babel.messages import mofile, pofile
    except ImportError as error:
        raise ConfigError(
            f"{source.name}: catalogues of messages are read by the library babel: pip install 'unrolled[translate]'"
        ) from error
    content = b"".join(source.blocks()).removeprefix(codecs.BOM_UTF8)
    if any(len(found[1]) > _DIGITS for found in re.finditer(rb"nplurals\s*=\s*(\d+)", content)):
        raise DataError(f"{source.name} is no catalogue of messages: no language has so many plurals as it says")
    try:
        if ending(source) == ".mo":
            return mofile.read_mo(io.BytesIO(content))
        # (only the singular is read: a message may have more plurals than its head says, as some of Django's have)
        content = re.sub(rb"nplurals\s*=\s*\d+", b"nplurals=%d" % _PLURALS, content)
        return pofile.read_po(io.BytesIO(content), abort_invalid=True)
    except (pofile.PoFileError, OSError, ValueError, LookupError, struct.error) as error:
        told = (str(error).splitlines() or [""])[0]
        raise DataError(f"{source.name} is no catalogue of messages, or its head is wrong: {told}") from error
