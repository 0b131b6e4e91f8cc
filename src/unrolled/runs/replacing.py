"""Finding the place of a new run; an older one there goes only when the new one has been saved."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from types import TracebackType

from unrolled import files
from unrolled.errors import PlaceTakenError, RunError
from unrolled.runs.events import Listener, RunEvent, Saved
from unrolled.runs.folder import RunFolder
from unrolled.runs.place import aside_of, check_own, is_taken, making, taken


class Replacing:
    """The place of a new run. Within the block, an older run there has another name.

    If the block fails before the new run was saved, the older one gets its name back.
    """

    def __init__(self, out: str | PathLike[str] | None, cell: str, *, overwrite: bool) -> None:
        if out is not None and not Path(out).name:
            raise RunError(f"{str(out)!r} cannot be the run's folder: give a folder of its own with -o")
        self._out = None if out is None else Path(out)
        self._cell = cell.partition("(")[0]
        self._overwrite = overwrite
        self._older: Path | None = None  # the place from which a run was set aside
        self._made: Path | None = None

    def check(self) -> None:
        """Look whether the place can be had, before any work is done for it.

        Raises:
            RunError: it is taken.
        """
        if self._out is None:
            return
        with making(self._out):
            if is_taken(self._out):
                if not self._overwrite:
                    raise taken(self._out)
                check_own(self._out)

    def make(self, create: Callable[[Path], RunFolder]) -> RunFolder:
        """The run's folder.

        Raises:
            RunError: its place is taken, or cannot be written.
        """
        if self._out is None:
            return self._first_free(create)
        if self._overwrite and is_taken(self._out):
            _set_aside(self._out)
            self._older = self._out
        folder = create(self._out)
        self._made = self._out
        return folder

    def hearing(self, listen: Listener) -> Listener:
        """The same listener; when the new run has been saved, the older one goes."""

        def hear(event: RunEvent) -> None:
            if isinstance(event, Saved) and self._older is not None:
                older, self._older = self._older, None  # first: from here on the new run is the one to keep
                files.remove(aside_of(older))
            listen(event)

        return hear

    def _first_free(self, create: Callable[[Path], RunFolder]) -> RunFolder:
        number = 1
        while True:
            path = Path("runs") / f"{self._cell}-{number}"
            if not path.exists():
                try:
                    return create(path)
                except PlaceTakenError:  # another process was faster
                    pass
            number += 1

    def __enter__(self) -> Replacing:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._older is None or kind is None:
            return
        if self._made is not None:
            files.remove(self._made)
        if not self._older.exists():  # else another process has made a run there meanwhile
            files.rename(aside_of(self._older), self._older)


def _set_aside(path: Path) -> None:
    """Give an older run another name.

    Raises:
        RunError: what lies there is no run, holds more than a run, or is being trained.
    """
    check_own(path)
    folder, aside = RunFolder(path), aside_of(path)
    if aside.exists():
        check_own(aside)
    with folder.locked(), making(path):
        if aside.exists() and not folder.checkpoints.numbers():
            files.remove(path)  # a replacement was killed before its first save: the older run is the better one
            return
        if aside.exists():
            files.remove(aside)  # ... or after it
        files.rename(path, aside)
