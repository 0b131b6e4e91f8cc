"""Finding text: files, folders, globs, standard input, named corpora. Knows where bytes come from, no symbols."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from unrolled.data import corpora
from unrolled.errors import DataError, did_you_mean

STANDARD_INPUT = "-"
DEFAULT = "python"  # the corpus that is always there

_BLOCK = 1 << 20

Named = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]  # a name of data, or several


@dataclass(frozen=True)
class Source:
    """One file of text. `optional`: it stands in a folder, and is passed over if it is no text."""

    path: Path
    name: str
    optional: bool = False

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, a mebibyte at a time.

        Raises:
            DataError: it cannot be read.
        """
        with _reading(self.name), self.path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


@dataclass(frozen=True)
class Place:
    """What one name on the command line stands for."""

    name: str
    sources: tuple[Source, ...]


def as_names(given: Named) -> list[str]:
    """What was named, as a list of names."""
    several = [given] if isinstance(given, str | os.PathLike) else given
    return [os.fspath(one) for one in several]


@contextmanager
def found(names: Sequence[str]) -> Iterator[list[Place]]:
    """The texts that the names stand for; without a name, the default corpus.

    A name is a file, a folder (all text files in it, in the order of their names), a glob, a named corpus, or "-"
    for standard input. What can be read only once (standard input, a pipe) is kept in a file while the block runs.

    Raises:
        DataError: nothing there, or nothing that can be read.
    """
    if list(names).count(STANDARD_INPUT) > 1:
        raise DataError("standard input ('-') can be read only once: name it once")
    with tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
        kept = Path(folder)
        yield [_place(name, kept / str(number)) for number, name in enumerate(names or [DEFAULT])]


def default_corpus() -> Place:
    """The source code of the running interpreter's standard library: its top-level modules. Always there.

    Raises:
        DataError: an interpreter without source files.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(folder.glob("*.py"))
    if not paths:
        raise DataError(f"this Python has no source files in {folder}: name a text file or a folder instead")
    name = f"the standard library of Python {sys.version_info[0]}.{sys.version_info[1]}"
    return Place(name, _in_folder(paths))


def _place(name: str, kept: Path) -> Place:
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise DataError("standard input is closed: there is nothing to read in it")
        return _kept(sys.stdin.buffer, kept, "standard input")
    if not name:
        raise DataError("an empty name was given in the place of a text: name a file, a folder, a pattern or '-'")
    path = Path(name)
    kind = _kind(path)
    if kind is None:
        return _named(name)
    if stat.S_ISDIR(kind):
        return _folder(path)
    if stat.S_ISFIFO(kind):
        with _reading(name), path.open("rb") as file:
            return _kept(file, kept, name)
    if not stat.S_ISREG(kind):
        raise DataError(f"{path} is a device, not a file: name a text file or a folder")
    return Place(name, (Source(path, name),))


def _kind(path: Path) -> int | None:
    """What lies there; None: nothing."""
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have
        raise DataError(f"{str(path)!r} cannot be the name of a file: {error}") from error


def _named(name: str) -> Place:
    """What is no file or folder: a pattern, or a corpus."""
    # (glob.glob, since a pattern may begin at the root)
    matches = [Path(one) for one in sorted(glob.glob(name, recursive=True)) if Path(one).is_file()]  # noqa: PTH207
    if len(matches) == 1:
        return Place(str(matches[0]), (Source(matches[0], str(matches[0])),))
    if matches:
        return Place(name, _in_folder(matches))
    if name == DEFAULT:
        return default_corpus()
    if name in corpora.names():
        return Place(name, (Source(corpora.text_of(name), name),))
    raise DataError(_nothing_there(Path(name)))


def _folder(folder: Path) -> Place:
    with _reading(str(folder)):
        os.scandir(folder).close()  # Path.rglob is silent about a folder that cannot be read
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    visible = [path for path in files if not _is_hidden(path.relative_to(folder))]
    if not visible:
        raise DataError(f"{folder} is a folder without files: name a text file, or a folder that holds some")
    return Place(str(folder), _in_folder(visible))


def _in_folder(paths: Sequence[Path]) -> tuple[Source, ...]:
    return tuple(Source(path, str(path), optional=True) for path in paths)


def _kept(stream: BinaryIO, path: Path, name: str) -> Place:
    """What can be read only once, in a file."""
    with _reading(name), path.open("wb") as file:
        shutil.copyfileobj(stream, file)
    return Place(name, (Source(path, name),))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from error


def _nothing_there(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a symbolic link that leads to no file"
    if any(mark in str(path) for mark in "*?["):
        return f"no file fits the pattern {path}"
    known = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    near = did_you_mean(path.name, [*known, *([] if path.parent.name else [*corpora.names(), DEFAULT])])
    return f"there is no file, folder or corpus {path}.{near}"
