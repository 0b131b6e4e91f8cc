"""The checkpoints of a run: numbered folders, each whole or absent. Knows what is stored, trains nothing.

model.safetensors    the weights
state.safetensors    the states carried along the streams, and what the optimiser remembers
state.json           where training stands
manifest.json        what the three must be

Kept are the newest two, as many of the last evaluations as somebody wants the mean of, and the one that was best on
what is held out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from unrolled import files
from unrolled.errors import RunError
from unrolled.runs import tensors
from unrolled.runs.config import validated
from unrolled.runs.machine import Machine
from unrolled.runs.manifest import CheckedFolder, fill_folder, parsed_json
from unrolled.training import Progress

MODEL, TENSORS, STANDING = "model.safetensors", "state.safetensors", "state.json"
_NEW, _OLD = ".new", ".old"
_LARGEST_STANDING = 1 << 16  # bytes
_TOLD = 3  # of those that are damaged
_NEWEST = 2  # that are kept: should the last one be damaged, there is one more
_MOST_TRIED = 100  # more than are ever kept: the newest, the best, and what an interrupted save may leave

More = TypeVar("More")


class Standing(BaseModel):
    """Where training stands. `best` is the number of the one that was best on what is held out, if any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    progress: Progress
    machine: Machine
    best: int | None = Field(default=None, ge=1)
    metrics: int = Field(ge=0, description="bytes of metrics.jsonl")


@dataclass(frozen=True)
class Checkpoint:
    """One that was read back: its number, and what lies in it. `damaged` says why newer ones were passed over."""

    number: int
    standing: Standing
    weights: dict[str, Tensor]
    folder: CheckedFolder
    damaged: tuple[str, ...] = ()

    def tensors(self, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The states and what the optimiser remembers.

        Raises:
            RunError: they are damaged, or others than these.
        """
        content = self.folder.read(TENSORS, tensors.largest(expected))
        return tensors.from_bytes(content, expected, self.folder.folder / TENSORS)


class Checkpoints:
    """Those in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def numbers(self) -> list[int]:
        """The numbers of those that are there, the newest first."""
        try:
            names = [one.name for one in self.folder.iterdir()]
        except OSError as error:
            raise RunError(f"the run is incomplete: {self.folder} cannot be read: {error.strerror}") from error
        return sorted((int(name) for name in names if re.fullmatch(r"\d{4,9}", name)), reverse=True)

    def next_number(self) -> int:
        """The number of the one that is written next."""
        return max(self.numbers(), default=0) + 1

    def save(
        self, weights: Mapping[str, Tensor], training: Mapping[str, Tensor], standing: Standing, keep: int = 2
    ) -> None:
        """Write one more, and remove those that need not be kept.

        `keep`: of how many evaluations the newest are kept, see `average`; the newest two and the best are, too.

        Raises:
            OSError: the disk refuses; those that were there are whole.
        """
        self._clean()
        contents = {
            MODEL: [tensors.to_bytes(weights)],
            TENSORS: [tensors.to_bytes(training)],
            STANDING: [standing.model_dump_json(indent=1).encode()],
        }
        files.make_folder(self.folder / _NEW)
        fill_folder(self.folder / _NEW, contents)
        files.rename(self.folder / _NEW, self._place(self.next_number()))
        self._prune(standing.best, keep)

    def read(self, number: int, expected: Mapping[str, Tensor]) -> Checkpoint:
        """The checkpoint of that number.

        Raises:
            RunError: it is damaged, or its weights are others than expected.
        """
        folder = self._checked(number)
        standing = _standing(folder)
        content = folder.read(MODEL, tensors.largest(expected))
        return Checkpoint(number, standing, tensors.from_bytes(content, expected, folder.folder / MODEL), folder)

    def newest_standing(self) -> Standing | None:
        """Where training stands, of the newest that can say; its tensors are not read. None if there never was one.

        Raises:
            RunError: there are some, and none can say.
        """
        damaged: list[str] = []
        for number in self.numbers()[:_MOST_TRIED]:
            try:
                return _standing(self._checked(number))
            except RunError as error:
                damaged.append(str(error))
        if damaged:
            raise RunError(f"no checkpoint of the run can be read: {told(damaged)}")
        return None

    def newest(
        self, expected: Mapping[str, Tensor], more: Callable[[Checkpoint], More]
    ) -> tuple[Checkpoint, More] | None:
        """The newest that is not damaged, and what `more` reads of it; None if there never was one.

        Raises:
            RunError: there are some, and all are damaged.
        """
        damaged: list[str] = []
        for number in self.numbers()[:_MOST_TRIED]:
            try:
                found = self.read(number, expected)
                return replace(found, damaged=tuple(damaged)), more(found)
            except RunError as error:
                damaged.append(str(error))
        if damaged:
            raise RunError(f"no checkpoint of the run can be read: {told(damaged)}. Train it again")
        return None

    def best(self, expected: Mapping[str, Tensor]) -> Checkpoint | None:
        """The one that was best on what is held out; the newest, where nothing is, or that one is damaged."""
        newest = self.weights(expected)
        if newest is None or newest.standing.best in (None, newest.number):
            return newest
        try:
            assert newest.standing.best is not None
            return self.read(newest.standing.best, expected)
        except RunError as error:
            return replace(newest, damaged=(*newest.damaged, str(error)))

    def weights(self, expected: Mapping[str, Tensor]) -> Checkpoint | None:
        """The newest whose weights are not damaged; None if there never was one."""
        found = self.newest(expected, lambda _: None)
        return None if found is None else found[0]

    def average(self, expected: Mapping[str, Tensor], count: int, keep: int) -> Checkpoint:
        """The last one that was evaluated, with the mean of the weights of the last `count` of these.

        What was saved between two evaluations, since training was stopped there or had taken so long, does not count:
        the mean is that of a run that was never stopped. Where nothing was held out, all count. What is no real number
        is the newest's. `keep`: of how many evaluations the run keeps them: an older one is there because it was best.

        Raises:
            RunError: so many are not there, or one of them is damaged.
        """
        newest, *others = self._evaluated()[: min(count, keep)] or [0]
        if 1 + len(others) < count:
            raise RunError(
                f"{count} checkpoints are to be averaged, and {self.folder.parent} keeps {keep} and has"
                f" {1 + len(others)} of the newest: train with --keep {count}, so that as many are there"
            )
        found = self.read(newest, expected)
        mean = {name: value.double() for name, value in found.weights.items() if value.is_floating_point()}
        for number in others:
            weights = self.read(number, expected).weights
            for name, value in mean.items():
                value += weights[name]
        averaged = {name: (value / count).to(found.weights[name].dtype) for name, value in mean.items()}
        return replace(found, weights=found.weights | averaged)

    def drop_after(self, number: int) -> None:
        """Remove those that are newer, since they are damaged."""
        for newer in self.numbers():
            if newer > number:
                self._remove(newer)

    def _checked(self, number: int) -> CheckedFolder:
        return CheckedFolder(self._place(number)).holding((MODEL, TENSORS, STANDING))

    def _evaluated(self) -> list[int]:
        """The newest of each evaluation, or of each step where nothing was evaluated; the newest first.

        One that cannot be read stands for itself: who wants it is told.
        """
        of_step: dict[tuple[int, bool], int] = {}
        for number in self.numbers()[:_MOST_TRIED]:
            try:
                progress = _standing(self._checked(number)).progress
                of_step.setdefault((progress.step, progress.evaluated_at == progress.step), number)
            except RunError:
                of_step[-number, True] = number
        is_any = any(is_evaluated for _, is_evaluated in of_step)
        return [number for (_, is_evaluated), number in of_step.items() if is_evaluated or not is_any]

    def _prune(self, best: int | None, keep: int) -> None:
        kept = {best, *self.numbers()[:_NEWEST], *self._evaluated()[:keep]}
        for number in self.numbers():
            if number not in kept:
                self._remove(number)

    def _remove(self, number: int) -> None:
        """It gets another name first, so that it is never half there under its own."""
        self._clean()
        files.rename(self._place(number), self.folder / _OLD)
        files.remove(self.folder / _OLD)

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:04d}"

    def _clean(self) -> None:
        """What an interrupted save or removal left behind."""
        for name in (_NEW, _OLD):
            if (self.folder / name).is_symlink() or (self.folder / name).exists():
                files.remove(self.folder / name)


def told(damaged: Sequence[str]) -> str:
    """Why checkpoints were passed over, in a line: the newest few."""
    more = f"; and {len(damaged) - _TOLD} more" if len(damaged) > _TOLD else ""
    return "; ".join(damaged[:_TOLD]) + more


def _standing(folder: CheckedFolder) -> Standing:
    path = folder.folder / STANDING
    values = parsed_json(folder.read(STANDING, _LARGEST_STANDING), path)
    return validated(Standing, values, str(path), RunError)
