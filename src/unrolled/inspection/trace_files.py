"""A trace in a folder: numbers in a file a value, and an index. Knows files and tensors, no models.

    index.json    what there is, and how many steps of it are whole
    0.values      the first value, [T, B, units], step after step, as it lay in memory

More steps are written behind the files first, and count when the index says so: a crash between the two loses those
that were being written, and no others.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from unrolled import files
from unrolled.errors import ShapeError, TraceError
from unrolled.inspection.trace_index import TYPES, Entry, Key, Stored, parsed, written

_INDEX = "index.json"
_MOST_INDEX = 2**26  # bytes
# a private mapping can be written to, so Linux would refuse one that is larger than its memory; Python names this late
_UNRESERVED = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


class TraceWriter:
    """Writes a trace into a new folder, piece by piece."""

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            TraceError: something lies there, or it cannot be made.
        """
        self._folder = folder
        self._entries: dict[Key, Entry] = {}
        with self._told():
            files.make_parents(folder)
            files.make_folder(folder)
            self._write_index(self._entries)
            files.sync(folder.parent)

    def append(self, values: Mapping[Key, Stored]) -> None:
        """More steps behind those that are there.

        Raises:
            ShapeError: a value has other sizes, units or another type than before. Nothing is written.
            TraceError: the disk refuses. What was written before is whole, and this can be tried again.
        """
        entries = dict(self._entries)
        for key, value in values.items():
            entries[key] = self._longer(key, value)
        with self._told():
            for number, key in enumerate(entries):
                if key in values:
                    self._write_values(number, self._entries.get(key), values[key].tensor)
            self._write_index(entries)
        self._entries = entries

    def _longer(self, key: Key, value: Stored) -> Entry:
        new = Entry.of(value)
        before = self._entries.get(key, new)
        if new.type not in TYPES:
            raise ShapeError(f"{key} is {new.type}: a trace on disk has {', '.join(TYPES)}")
        if new != replace(before, steps=0):
            was = f"{before.type} of {before.rows} rows and {before.width} units"
            raise ShapeError(f"{key} is {new.type} of {new.rows} rows and {new.width} units, and was {was} before")
        return replace(before, steps=before.steps + len(value.tensor))

    def _write_values(self, number: int, before: Entry | None, tensor: Tensor) -> None:
        path = self._folder / f"{number}.values"
        with suppress(FileNotFoundError):  # what an interrupted call has left
            files.cut(path, before.size if before else 0)
        files.append(path, tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
        files.sync(path)

    def _write_index(self, entries: Mapping[Key, Entry]) -> None:
        new = self._folder / f"{_INDEX}.new"
        with suppress(FileNotFoundError):
            files.remove(new)
        files.write(new, [written(entries)])
        files.rename(new, self._folder / _INDEX)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise TraceError(f"{error.filename} exists: give a new folder for the trace, or remove it") from error
        except OSError as error:
            raise TraceError(f"the trace cannot be written into {self._folder}: {error}") from error


def read(folder: Path) -> dict[Key, Stored]:
    """The values in a folder, in memory that is mapped to its files: read when looked at, and never written back.

    Raises:
        TraceError: there is no trace, or it is damaged.
    """
    try:
        content = files.read(folder / _INDEX, _MOST_INDEX)
    except (OSError, ValueError) as error:
        raise TraceError(f"{folder} holds no trace: its {_INDEX} cannot be read: {error}") from error
    with _damage_told(folder):
        return {
            key: Stored(_mapped(folder / f"{number}.values", entry), entry.units)
            for number, (key, entry) in enumerate(parsed(content))
        }


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, OverflowError, RecursionError, RuntimeError, TypeError) as error:
        raise TraceError(
            f"the trace in {folder} is damaged, of another version, or cannot be mapped: {error}"
        ) from error


def _mapped(path: Path, entry: Entry) -> Tensor:
    with files.opened(path) as handle:
        size = files.size_of(handle)
        if size < entry.size:
            raise ValueError(f"{path.name} has {size:,} bytes, its {entry.steps:,} steps take {entry.size:,}")
        shape, dtype = (entry.steps, entry.rows, entry.width), TYPES[entry.type]
        if entry.size == 0:
            return torch.empty(shape, dtype=dtype)
        memory = mmap.mmap(handle, entry.size, flags=mmap.MAP_PRIVATE | _UNRESERVED)
    return torch.frombuffer(memory, dtype=dtype).view(shape)
