"""Where a new run may lie: what is in its way, and the folder in which it is made before it gets its name."""

from __future__ import annotations

import errno
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unrolled import files
from unrolled.errors import PlaceTakenError, RunError
from unrolled.runs.layout import CELL, CHECKPOINTS, CONFIG, METRICS, SAMPLES
from unrolled.runs.manifest import NAME
from unrolled.runs.tasks import KINDS

_TOLD = 5  # of what lies there besides


@contextmanager
def making(path: Path) -> Iterator[None]:
    """Within the block, what the disk refuses becomes a RunError about the place of a new run."""
    try:
        yield
    except FileExistsError as error:
        raise taken(path) from error
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise taken(path) from error
        raise RunError(f"the run's folder {path} cannot be made: {error.strerror}") from error


def is_taken(path: Path) -> bool:
    """Whether anything but an empty folder lies there."""
    return path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir())))


def taken(path: Path) -> PlaceTakenError:
    """The error that says what lies there."""
    if (path / CONFIG).is_file():
        return PlaceTakenError(
            f"{path} holds a run already: choose another place with -o, or replace it with --overwrite"
        )
    return PlaceTakenError(f"{path} exists and is not a run: choose another place with -o")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill. After the block it is called `path` and is on the disk, whole; if the block fails, it is gone.

    Raises:
        RunError: something lies there already, or it cannot be made.
    """
    with making(path):
        _make_parents(path)
        if is_taken(path):
            raise taken(path)
        _remove_unfinished(path)
        new = path.with_name(f".{path.name}.new-{secrets.token_hex(4)}")
        files.make_folder(new)
        try:
            with files.locked(new):
                yield new
                files.sync(new)
                files.rename(new, path)
        except BaseException:
            if new.exists():
                files.remove(new)
            raise


def _remove_unfinished(path: Path) -> None:
    """What makers of this run left who were killed. One at work holds a lock on its folder before it writes there."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.new-[0-9a-f]{{8}}")
    for left in path.parent.iterdir():
        if pattern.fullmatch(left.name):
            with suppress(OSError):
                if left.is_dir() and any(left.iterdir()) and not _strangers(left):
                    with files.locked(left):
                        files.remove(left)


def _make_parents(path: Path) -> None:
    """The folders above a run's."""
    try:
        files.make_parents(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunError(f"the run's folder {path} cannot be made: {path.parent} is no folder") from error


def check_own(path: Path) -> None:
    """Check that a folder is a run and holds nothing else.

    Raises:
        RunError: it is not, or it does.
    """
    if path.is_symlink() or not all((path / name).is_file() for name in (CONFIG, CELL, NAME)):
        raise RunError(f"{path} exists and is not a run: choose another place with -o")
    if others := _strangers(path):
        listed = ", ".join(str(one.relative_to(path)) for one in others[:_TOLD])
        raise RunError(
            f"{path} holds more than a run ({listed}): it is not overwritten. Put that elsewhere, or remove it, or"
            " choose another place with -o"
        )


def _strangers(path: Path) -> list[Path]:
    """What lies in a folder that no run has."""
    data = [one.name for kind in KINDS.values() for one in kind.files]
    known = {CONFIG, CELL, *data, NAME, METRICS, SAMPLES, CHECKPOINTS, "tensorboard"}
    others = [one for one in path.iterdir() if one.name not in known or one.is_symlink()]
    others += [one for one in (path / SAMPLES).glob("*") if not one.name.startswith(("step-", ".new"))]
    others += [one for one in (path / CHECKPOINTS).glob("*") if not one.is_dir() or one.is_symlink()]
    return others


def older_told(path: Path) -> str:
    """What to say of the run that was to be replaced, if one lies aside still."""
    aside = aside_of(path)
    return f". The older run that it was to replace lies in {aside}" if aside.is_dir() else ""


def aside_of(path: Path) -> Path:
    """Where a run lies while another is made in its place."""
    return path.with_name(f".{path.name}.old")
