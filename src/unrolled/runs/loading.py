"""Reading a run back: what it is, and its model, ready to write and to be evaluated. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from unrolled.data import Vocabulary
from unrolled.errors import ConfigError, RunError
from unrolled.runs.building import made_model
from unrolled.runs.checkpoints import Checkpoint, told
from unrolled.runs.config import RunConfig, validated
from unrolled.runs.folder import Identity, RunFolder
from unrolled.runs.place import older_told


@dataclass(frozen=True)
class Run:
    """A run that was read back: what it is, and its model. `warnings` are to be shown to the user."""

    path: Path
    identity: Identity
    model: Any
    step: int = 0
    warnings: tuple[str, ...] = field(default=())

    @property
    def config(self) -> Any:
        """Its options."""
        return self.identity.config

    @property
    def about(self) -> Any:
        """What its data are."""
        return self.identity.about

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols that its model knows.

        Raises:
            RunError: it knows none.
        """
        found = getattr(self.about, "vocabulary", None)
        if found is None:
            raise RunError(f"{self.path} was not trained on text: it has no vocabulary of a text")
        vocabulary: Vocabulary = found
        return vocabulary

    def used(self, options: Mapping[str, Any], *, reads: bool, to_look: bool = False) -> RunConfig:
        """Its options as they hold for other data, some of them replaced; `reads`: whether other data are named.

        Raises:
            ConfigError: one of them is no option of such a use, has no effect, or cannot have that value.
        """
        kind = self.identity.kind
        names, use = (kind.looked_with, "a look into") if to_look else (kind.used_with, "a use of")
        for name in options.keys() - names:
            known = f"has {', '.join(sorted(names))}" if names else "has none"
            raise ConfigError(f"{name} is no option of {use} --task {kind.name}, which {known}")
        if not reads and (idle := sorted(options.keys() & kind.reads_with)):
            raise ConfigError(f"{idle[0]} says how other data are read, and none are named: name them, or leave it out")
        own = kind.in_use(self.config).model_dump()
        found: RunConfig = validated(
            kind.config, own | options, "the options", ConfigError, kept=own.keys() - options.keys()
        )
        return found


def loaded(path: str | PathLike[str], *, best: bool, average: int, warn: Callable[[str], None]) -> Run:
    """The same as `load`, which see; what is to be known of the run is told."""
    run = load(path, best=best, average=average)
    for warning in run.warnings:
        warn(warning)
    return run


def load(path: str | PathLike[str], device: str = "cpu", *, best: bool = False, average: int = 0) -> Run:
    """Read a run back, ready to write and to be evaluated. No code of its cell is executed.

    `best`: the weights that were best on what is held out, else the newest. `average`: the mean of the weights of so
    many of the last checkpoints. A damaged checkpoint is passed over, but not in a mean.

    Raises:
        RunError: not a run, one that was never saved, or a damaged one; fewer checkpoints than are to be averaged.
        ConfigError: both the best and a mean are asked for.
    """
    if average and (best or average < 0):
        raise ConfigError(f"--average {average}: give a number of checkpoints, 1 or more, without --best")
    path = Path(path)
    folder = RunFolder.at(path)
    identity = folder.identity()
    expected = identity.expected()
    checkpoints = folder.checkpoints
    found: Checkpoint | None
    if average:
        found = checkpoints.average(expected, average, identity.config.keep)
    else:
        found = checkpoints.best(expected) if best else checkpoints.weights(expected)
    if found is None:
        raise RunError(
            f"the run has no weights: {path} was stopped before its first save. Go on with 'unrolled resume {path}'"
            f"{older_told(path)}"
        )
    model = made_model(identity.config, identity.make)
    model.load_state_dict(found.weights)
    return Run(path, identity, model.to(device).eval(), found.standing.progress.step, damage_told(found))


def damage_told(found: Checkpoint) -> tuple[str, ...]:
    """What a user should know when newer checkpoints are damaged."""
    if not found.damaged:
        return ()
    return (f"{told(found.damaged)}. The checkpoint before it is used, of step {found.standing.progress.step:,}",)
