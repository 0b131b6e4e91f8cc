"""A run's folder: making one, reading what it is, writing what comes. No pickle; knows no training loop."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor, nn

from unrolled import files
from unrolled.equations import Graph
from unrolled.errors import ConfigError, DataError, GraphError, RunError, did_you_mean
from unrolled.runs.building import model_on_meta
from unrolled.runs.checkpoints import Checkpoint, Checkpoints
from unrolled.runs.config import RunConfig, validated
from unrolled.runs.layout import CELL, CHECKPOINTS, CONFIG, METRICS, SAMPLES
from unrolled.runs.manifest import NAME, CheckedFolder, fill_folder, parsed_json
from unrolled.runs.place import aside_of, new_folder
from unrolled.runs.tasks import About, AnyKind, DataFile, kind_of

FORMAT = 2
_LARGEST = 1 << 20  # bytes of a file of JSON
_PATIENCE = 0.5  # seconds to wait for a run: 'unrolled runs' holds it for an instant


@dataclass(frozen=True)
class Identity:
    """What does not change while a run lasts."""

    kind: AnyKind
    config: RunConfig
    graph: Graph
    about: About

    def make(self) -> nn.Module:
        """A model of the run, with fresh weights."""
        return self.kind.model(self.config, self.about, self.graph)

    def expected(self) -> Mapping[str, Tensor]:
        """Names, types and shapes of the weights; they take no memory.

        Raises:
            RunError: these sizes make no model, or one that would need more memory than this machine has.
        """
        return self._outline().state_dict()

    def parameters(self) -> int:
        """How many numbers are learned.

        Raises:
            RunError: as `expected`.
        """
        return sum(one.numel() for one in self._outline().parameters())

    def _outline(self) -> nn.Module:
        try:
            return model_on_meta(self.config, self.make)
        except ConfigError as error:
            raise RunError(f"the run does not fit this machine: {error}") from error
        except ValueError as error:
            raise RunError(f"the run's data make no model: {error}") from error


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path / CHECKPOINTS)

    @classmethod
    def create(cls, path: Path, identity: Identity, contents: Mapping[str, Iterable[bytes]]) -> RunFolder:
        """A new folder for a run; `contents` are the files of its data. It is there whole or not at all.

        Raises:
            RunError: something lies there already, it cannot be made, or a part of it would be too large to be read.
        """
        options = {"format": FORMAT, **identity.config.model_dump(mode="json", exclude_none=True)}
        small = {one.name for one in identity.kind.files if one.largest is not None}
        known = {
            CONFIG: json.dumps(options, indent=1).encode("utf-8", "surrogatepass"),
            CELL: identity.graph.to_json().encode("utf-8", "surrogatepass"),
            **{name: b"".join(blocks) for name, blocks in contents.items() if name in small},
        }
        _check_sizes(known, identity.kind.files)
        blocks: dict[str, Iterable[bytes]] = {name: [content] for name, content in known.items()}
        with new_folder(path) as new:
            fill_folder(new, blocks | {name: blocks for name, blocks in contents.items() if name not in small})
            for name in (CHECKPOINTS, SAMPLES):
                files.make_folder(new / name)
            files.write(new / METRICS, [])  # its name is on the disk before a checkpoint counts on it
        return cls(path)

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """The folder of a run that is there.

        Raises:
            RunError: there is no folder, or it is no run.
        """
        if not path.is_dir():
            raise RunError(_no_folder(path))
        if not (path / CONFIG).is_file():
            raise RunError(f"{path} is not a run: it has no {CONFIG}. Runs are made by 'unrolled train'")
        if not (path / NAME).is_file():
            raise RunError(f"{path} is not a run of this version: it has no {NAME}. Train it again")
        for name in (CHECKPOINTS, SAMPLES, METRICS):
            if (path / name).is_symlink():
                raise RunError(
                    f"{path / name} is a symbolic link: what lies behind it is not the run's own. Put the files there"
                )
        return cls(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else trains this run within the block.

        Raises:
            RunError: somebody does.
        """
        with ExitStack() as held:
            try:
                held.enter_context(files.locked(self.path, _PATIENCE))
            except BlockingIOError as error:
                raise RunError(
                    f"the run {self.path} is being trained by another process: wait for it, or stop it"
                ) from error
            except OSError as error:
                raise RunError(f"the run {self.path} cannot be locked: {error.strerror}") from error
            yield

    def identity(self) -> Identity:
        """What the run is.

        Raises:
            RunError: a file is missing, or not as it was written.
        """
        folder = CheckedFolder(self.path)
        options = parsed_json(folder.read(CONFIG, _LARGEST), self.path / CONFIG)
        if options.pop("format", None) != FORMAT:
            raise RunError(f"{self.path / CONFIG} is not of format {FORMAT}: this run is of another version")
        try:
            kind = kind_of(options.get("task"))
        except ConfigError as error:
            raise RunError(f"{self.path / CONFIG}: {error}") from error
        folder.holding(_names(kind))
        config = validated(kind.config, options, str(self.path / CONFIG), RunError, kept=options)
        small = {one.name: folder.read(one.name, one.largest) for one in kind.files if one.largest is not None}
        try:
            graph = Graph.from_json(folder.read(CELL, _LARGEST).decode())
            about = kind.about(small, {one.name: folder.size(one.name) for one in kind.files})
        except (GraphError, DataError, ValueError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise RunError(f"the run in {self.path} is damaged: {told}. Train it again") from error
        return Identity(kind, config, graph, about)

    def data(self, identity: Identity) -> Any:
        """The data, after a check that they are as they were written.

        Raises:
            RunError: they are not.
        """
        folder = CheckedFolder(self.path).holding(_names(identity.kind))
        for one in identity.kind.files:
            if one.largest is None:
                folder.check(one.name)
        try:
            return identity.kind.data(self.path, identity.about)
        except DataError as error:
            raise RunError(str(error)) from error

    def write_sample(self, step: int, text: str) -> None:
        """What the model wrote after so many steps."""
        target = self.path / SAMPLES / f"step-{step:07d}.txt"
        new = target.with_name(".new")
        with writing(self.path):
            files.make_parents(target)  # an empty folder is easily lost when a run is copied
            for path in (new, target):
                if path.is_symlink() or path.exists():
                    files.remove(path)
            files.write(new, [text.encode("utf-8", "surrogatepass")])
            files.rename(new, target)

    def log(self, event: Mapping[str, Any]) -> None:
        """One line more in metrics.jsonl."""
        with writing(self.path):
            files.append(self.path / METRICS, json.dumps(event).encode() + b"\n")

    def logged(self) -> int:
        """How many bytes metrics.jsonl has; they are on the disk when this returns."""
        path = self.path / METRICS
        if not path.is_file():
            return 0
        files.sync(path)
        return path.stat().st_size

    def forget_after(self, checkpoint: Checkpoint | None) -> None:
        """Remove what came after a checkpoint (None: after the start), since it comes again, or is damaged."""
        path = self.path / METRICS
        size = 0 if checkpoint is None else checkpoint.standing.metrics
        with writing(self.path):
            if checkpoint is not None:
                self.checkpoints.drop_after(checkpoint.number)
            if path.is_file():
                files.cut(path, size)


def _names(kind: AnyKind) -> list[str]:
    """The files that say what a run of that kind is."""
    return [CONFIG, CELL, *(one.name for one in kind.files)]


_OWN = (
    DataFile(CONFIG, _LARGEST, "Name a folder or a pattern in the place of many files"),
    DataFile(CELL, _LARGEST, "Write the cell with fewer operations"),
)


def _check_sizes(contents: Mapping[str, bytes], of_kind: Iterable[DataFile]) -> None:
    """Check that a run will be read back."""
    for one in (*_OWN, *of_kind):
        if one.largest is not None and len(contents[one.name]) > one.largest:
            raise RunError(
                f"the run's {one.name} would have {len(contents[one.name]):,} bytes, more than the {one.largest:,} that"
                f" are read back. {one.smaller}"
            )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within the block, what the disk refuses becomes a RunError."""
    try:
        yield
    except OSError as error:
        when = "when there is room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "when that is mended"
        raise RunError(
            f"the run in {path} cannot be written: {error.strerror}. What was saved before is whole: {when}, go on"
            f" with 'unrolled resume {path}'"
        ) from error


def _no_folder(path: Path) -> str:
    if path.exists():
        return f"{path} is a file, not the folder of a run"
    if aside_of(path).is_dir():
        return f"there is no run {path}: replacing it was interrupted. The older one lies in {aside_of(path)}"
    near = did_you_mean(path.name, [one.name for one in path.parent.iterdir()]) if path.parent.is_dir() else ""
    return f"there is no run {path}.{near}"
