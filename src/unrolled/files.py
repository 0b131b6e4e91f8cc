"""Files that survive a crash: every call by which a run changes the disk, or reads itself back. Knows no runs.

What is written here is synced: first the bytes, then the folder that holds their name. A folder is published by
renaming it when all that lies in it is synced, so under its name it is whole or absent. Each call of the system goes
through `system`, in whose place the tests put one that fails, is killed, or loses what was not synced.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

system: Any = os  # the calls: open, write, fsync, close, rename ...

_BLOCK = 1 << 20
_BETWEEN_TRIES = 0.01  # seconds between two tries to lock a folder
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_APPENDED = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
Result = TypeVar("Result")


def write(path: Path, blocks: Iterable[bytes]) -> str:
    """A new file with these bytes, synced. Returns their SHA-256 in hexadecimal.

    Raises:
        OSError: the file exists, or the disk refuses.
    """
    digest = hashlib.sha256()
    handle = _again(system.open, path, _NEW, 0o666)
    try:
        for block in blocks:
            digest.update(block)
            _write_all(handle, block)
        _again(system.fsync, handle)
    finally:
        close(handle)
    return digest.hexdigest()


def replace(contents: Mapping[Path, bytes]) -> None:
    """Files with these bytes in the places of whatever files are there: each is whole, the old one or the new.

    None gets its name before the bytes of all are on the disk.

    Where it is interrupted, or fails, what was written until then is gone, if none had its name yet.

    Raises:
        OSError: the disk refuses.
    """
    new = {path: path.with_name(_temporary(path.name)) for path in contents}
    try:
        for path, content in contents.items():
            with suppress(FileNotFoundError):
                _again(system.unlink, new[path])
            write(new[path], [content])
        for path, made in new.items():
            rename(made, path)
    except BaseException:
        for made in new.values():
            with suppress(OSError):
                _again(system.unlink, made)
        raise


def _temporary(name: str) -> str:
    """Another name for each, always the same, and short: there is room for it wherever there is for the name."""
    return f".{sha256_of(os.fsencode(name))[:16]}.new"


def check_new(path: Path) -> None:
    """Check that a file can be made there, by making it, with the folders above it; all of it is removed again.

    Raises:
        OSError: something lies there, or in the place of a folder, or the disk refuses.
    """
    with parents(path):
        handle = _again(system.open, path, _NEW, 0o666)
        try:
            close(handle)
        finally:
            _again(system.unlink, path)


@contextmanager
def parents(path: Path) -> Iterator[None]:
    """The folders above a path are there within the block. Those that were missing, and are empty after it, go again.

    Raises:
        OSError: see `make_parents`.
    """
    missing = [one for one in path.parents if not one.is_dir()]
    try:
        make_parents(path)
        yield
    finally:
        for folder in missing:
            with suppress(OSError):  # (it is in use, or was never made)
                _again(system.rmdir, folder)


def append(path: Path, content: bytes) -> None:
    """More bytes at the end of a regular file, made if it is not there. Not synced: see `sync`."""
    handle = _again(system.open, path, _APPENDED, 0o666)
    try:
        _check_regular(handle)
        _write_all(handle, content)
    finally:
        close(handle)


def sync(path: Path) -> None:
    """What was written to this file, or the names in this folder, is on the disk when this returns."""
    handle = _again(system.open, path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _again(system.fsync, handle)
    finally:
        close(handle)


def cut(path: Path, size: int) -> None:
    """The file ends after so many bytes; one that has fewer stays as it is. A symbolic link is not followed."""
    handle = _again(system.open, path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if size_of(handle) > size:
            _again(system.ftruncate, handle, size)
    finally:
        close(handle)


def make_folder(path: Path) -> None:
    """A new, empty folder. Its name is not synced: see `sync`."""
    _again(system.mkdir, path)


def make_parents(path: Path) -> None:
    """The folders above a path, where they are missing; each new name is on the disk when this returns.

    Raises:
        OSError: something else lies in the place of one, or the disk refuses.
    """
    parent = path.parent
    if parent.is_dir():
        return
    make_parents(parent)
    try:
        make_folder(parent)
    except FileExistsError:
        if not parent.is_dir():  # else another process was faster
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent)) from None
    sync(parent.parent)


def rename(old: Path, new: Path) -> None:
    """Another name for a file or folder whose content is synced; the name is on the disk when this returns."""
    _again(system.rename, old, new)
    sync(new.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that lies in it. Symbolic links are removed, not followed."""
    if path.is_dir() and not path.is_symlink():
        for name in sorted(_again(system.listdir, path)):
            remove(path / name)
        _again(system.rmdir, path)
    else:
        _again(system.unlink, path)


def read(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes.

    Raises:
        OSError: it cannot be read, is no regular file (a symbolic link, a pipe, a device), or is larger.
    """
    with opened(path) as handle:
        size = size_of(handle)
        if size > limit:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, more than the {limit:,} that such a file can have")
        return b"".join(_blocks(handle))


def blocks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a regular file, a mebibyte at a time."""
    with opened(path) as handle:
        yield from _blocks(handle)


def sha256_of(content: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256(path: Path) -> str:
    """The SHA-256 of a regular file, in hexadecimal."""
    digest = hashlib.sha256()
    for block in blocks_of(path):
        digest.update(block)
    return digest.hexdigest()


def open_to_read(path: Path) -> int:
    """A regular file, open for `read_at` and `close`. Neither follows a symbolic link nor waits for a pipe.

    Raises:
        OSError: it is not there, or something else.
    """
    handle: int = _again(system.open, path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        _check_regular(handle)
    except OSError:
        close(handle)
        raise
    return handle


def _check_regular(handle: int) -> None:
    if not stat.S_ISREG(_again(system.fstat, handle).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def size_of(handle: int) -> int:
    """The size of an open file, in bytes."""
    return int(_again(system.fstat, handle).st_size)


def read_at(handle: int, size: int, offset: int) -> bytes:
    """At most so many bytes of an open file from there on; none where it has ended."""
    content: bytes = _again(system.pread, handle, size, offset)
    return content


def close(handle: int) -> None:
    """Close an open file. One whose closing a signal interrupts is closed."""
    with suppress(InterruptedError):
        system.close(handle)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A regular file, open for reading within the block: see `open_to_read`."""
    handle = open_to_read(path)
    try:
        yield handle
    finally:
        close(handle)


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Nobody else holds this folder within the block. The lock ends with the process, however it ends.

    Raises:
        BlockingIOError: another process holds it, and still does after `patience` seconds.
    """
    handle = _again(system.open, folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _lock(handle, time.monotonic() + patience)
        yield
    finally:
        with suppress(OSError):  # the lock ends all the same
            close(handle)


def _lock(handle: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_BETWEEN_TRIES)


def _blocks(handle: int) -> Iterator[bytes]:
    while block := _again(system.read, handle, _BLOCK):
        yield block


def _write_all(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[_again(system.write, handle, left) :]


def _again(call: Callable[..., Result], *arguments: Any) -> Result:
    """A call that a signal interrupted is made again."""
    while True:
        try:
            return call(*arguments)
        except InterruptedError:
            continue
