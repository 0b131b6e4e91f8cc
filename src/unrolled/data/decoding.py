"""UTF-8 piece by piece, for texts that are larger than memory. Knows bytes and characters, no ids."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

from unrolled.errors import DataError


def characters(blocks: Iterable[bytes], name: str) -> Iterator[str]:
    """The characters of UTF-8 in blocks, without the mark (BOM) that some editors put first.

    Raises:
        DataError: it is not UTF-8; says in which line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, is_first = 1, True
    for block in chain(blocks, (None,)):
        try:
            text = decoder.decode(block or b"", final=block is None)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            raise DataError(
                f"{name} is not UTF-8 text: byte {error.object[error.start]:#04x} in line {line}. Convert it to UTF-8"
                " (--task text can read it as bytes: --tokens bytes)"
            ) from error
        line += text.count("\n")
        if is_first and text:
            text, is_first = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), False
        if text:
            yield text


def lines_of(blocks: Iterable[bytes], name: str) -> list[str]:
    """The lines of a text, without their ends: a newline, or a carriage return and a newline. Nothing else ends one.

    Raises:
        DataError: it is not UTF-8.
    """
    lines = "".join(characters(blocks, name)).split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def whole_lines(texts: Iterable[str], longest: int = 1 << 20) -> Iterator[str]:
    """The same characters, cut behind ends of lines, so that no word is cut; a longer line is cut where it is."""
    held = ""
    for text in texts:
        held += text
        end = held.rfind("\n") + 1 or (len(held) if len(held) >= longest else 0)
        if end:
            yield held[:end]
            held = held[end:]
    if held:
        yield held
