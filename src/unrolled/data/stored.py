"""Ids in a file, read when they are asked for. Knows numbers, no symbols.

They are read by position and not mapped into memory: a mapped file that another program cuts ends the process with
a signal, a read that comes out short is an error that can be told (docs/decisions/0006-stored-text.md).
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled import files
from unrolled.errors import DataError

Ids = NDArray[Any]  # of whole numbers, as narrow as the vocabulary allows


class StoredIds:
    """The ids in a file, or a window on them: `ids[a:b]` reads nothing, `np.asarray(ids[a:b])` does."""

    def __init__(self, file: _File, dtype: np.dtype[Any], start: int, stop: int) -> None:
        self.dtype = dtype
        self._file, self._start, self._stop = file, start, stop

    @classmethod
    def at(cls, path: Path, width: int, count: int) -> StoredIds:
        """The `count` ids in a file, each of `width` bytes.

        Raises:
            DataError: there is no such file, or it has another size. Later, when it is read: the same.
        """
        file = _File(path)
        if (size := file.size()) != count * width:
            raise DataError(f"the stored text {path} has {size:,} bytes, it should have {count * width:,}")
        return cls(file, np.dtype(f"<u{width}"), 0, count)

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, part: slice) -> StoredIds:
        start, stop, step = part.indices(len(self))
        assert step == 1, "a window has no gaps"
        return StoredIds(self._file, self.dtype, self._start + start, self._start + max(start, stop))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Ids:
        width = self.dtype.itemsize
        content = self._file.read(len(self) * width, self._start * width)
        read = np.frombuffer(content, self.dtype)
        return read if dtype is None else read.astype(dtype)


Text = Ids | StoredIds


def first(text: Text, most: int) -> NDArray[np.int64]:
    """The first ids of a text in memory, at most so many."""
    return np.asarray(text[:most]).astype(np.int64)


class _File:
    """An open file, shared by the windows on it and closed with the last of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reading(path):
            self.handle = files.open_to_read(path)
        weakref.finalize(self, os.close, self.handle)

    def size(self) -> int:
        """In bytes."""
        with _reading(self.path):
            return files.size_of(self.handle)

    def read(self, size: int, offset: int) -> bytes:
        """So many bytes from there on."""
        parts: list[bytes] = []
        while size:
            with _reading(self.path):
                parts.append(files.read_at(self.handle, size, offset))
            if not parts[-1]:
                raise DataError(
                    f"the stored text {self.path} became shorter while it was read: something else changed it."
                    " What was saved of the run is whole"
                )
            size, offset = size - len(parts[-1]), offset + len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"the stored text {path} cannot be read: {error.strerror}") from error
