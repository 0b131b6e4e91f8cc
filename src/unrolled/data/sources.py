"""Finding and reading text: files, folders, globs, standard input, the default corpus. Knows no symbols or ids."""

from __future__ import annotations

import glob
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unrolled.errors import DataError, did_you_mean

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Source:
    """What was read: the bytes, how they are called, and how many files of a folder were no text."""

    content: bytes
    name: str
    files: int
    skipped: int = 0


def read_sources(places: Sequence[str]) -> Source:
    """Everything that the places name, concatenated; without a place, the default corpus.

    A place is a file, a folder (all text files in it, in the order of their names), a glob, or "-" for
    standard input. In a folder, files that are not UTF-8 text are passed over and counted.

    Raises:
        DataError: nothing there, nothing in it, or no text.
    """
    if not places:
        return default_corpus()
    sources = [_read_place(place) for place in places]
    name = ", ".join(source.name for source in sources)
    return Source(
        _joined([source.content for source in sources]),
        name,
        sum(source.files for source in sources),
        sum(source.skipped for source in sources),
    )


def default_corpus() -> Source:
    """The source code of the running interpreter's standard library: its top-level modules. Always there.

    Raises:
        DataError: an interpreter without source files.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts = [text for text in map(_read_file, sorted(folder.glob("*.py"))) if is_text(text)]
    if not texts:
        raise DataError(f"this Python has no source files in {folder}: name a text file or a folder instead")
    return Source(
        _joined(texts), f"the standard library of Python {sys.version_info[0]}.{sys.version_info[1]}", len(texts)
    )


def is_text(content: bytes) -> bool:
    """UTF-8 without NUL, and not empty."""
    if not content or b"\0" in content:
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _read_place(place: str) -> Source:
    if place == STANDARD_INPUT:
        return _checked(Source(sys.stdin.buffer.read(), "standard input", 1))
    if not place:
        raise DataError("an empty name was given in the place of a text: name a file, a folder, a pattern or '-'")
    path = Path(place)
    if path.is_dir():
        return _read_folder(path)
    if path.exists():
        if not (path.is_file() or path.is_fifo()):
            raise DataError(f"{path} is a device, not a file: name a text file or a folder")
        return _checked(Source(_read_file(path), place, 1))
    # (glob.glob, since a pattern may begin at the root)
    matches = [Path(one) for one in sorted(glob.glob(place, recursive=True)) if Path(one).is_file()]  # noqa: PTH207
    if not matches:
        raise DataError(_nothing_there(path))
    if len(matches) == 1:
        return _checked(Source(_read_file(matches[0]), str(matches[0]), 1))
    return _text_files(matches, place)


def _read_folder(folder: Path) -> Source:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return _text_files([path for path in files if not _is_hidden(path.relative_to(folder))], str(folder))


def _text_files(paths: list[Path], name: str) -> Source:
    texts = [text for text in map(_read_file, paths) if is_text(text)]
    if not texts:
        raise DataError(
            f"{name}: none of its {len(paths)} files is UTF-8 text. Name a text file, or use --tokens bytes on one file"
        )
    return Source(_joined(texts), name, len(texts), len(paths) - len(texts))


def _checked(source: Source) -> Source:
    if not source.content:
        raise DataError(f"{source.name} is empty: there is nothing to read in it")
    return source


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _joined(texts: list[bytes]) -> bytes:
    """Concatenated, each ending in a newline if another follows."""
    return b"".join(text if text.endswith(b"\n") or text is texts[-1] else text + b"\n" for text in texts)


def _nothing_there(path: Path) -> str:
    if any(mark in str(path) for mark in "*?["):
        return f"no file fits the pattern {path}"
    near = did_you_mean(path.name, [one.name for one in path.parent.iterdir()]) if path.parent.is_dir() else ""
    return f"there is no file or folder {path}.{near}"
