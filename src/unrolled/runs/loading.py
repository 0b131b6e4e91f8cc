"""Reading a run back: what it is, and its model, ready to write and to be evaluated. Trains nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from unrolled.data import Vocabulary
from unrolled.errors import RunError
from unrolled.models import LanguageModel
from unrolled.runs.building import made_model
from unrolled.runs.checkpoints import Checkpoint, told
from unrolled.runs.config import RunConfig
from unrolled.runs.folder import RunFolder
from unrolled.runs.place import older_told


@dataclass(frozen=True)
class Run:
    """A run that was read back: what it is, and its model. `warnings` are to be shown to the user."""

    path: Path
    config: RunConfig
    vocabulary: Vocabulary
    model: LanguageModel
    step: int = 0
    warnings: tuple[str, ...] = field(default=())


def load(path: str | PathLike[str], device: str = "cpu", *, best: bool = False) -> Run:
    """Read a run back, ready to write and to be evaluated. No code of its cell is executed.

    `best`: the weights with the lowest held-out loss, else the newest. A damaged checkpoint is passed over.

    Raises:
        RunError: not a run, one that was never saved, or a damaged one.
    """
    path = Path(path)
    folder = RunFolder.at(path)
    identity = folder.identity()
    expected = identity.expected()
    found = folder.checkpoints.best(expected) if best else folder.checkpoints.weights(expected)
    if found is None:
        raise RunError(
            f"the run has no weights: {path} was stopped before its first save. Go on with 'unrolled resume {path}'"
            f"{older_told(path)}"
        )
    model = made_model(identity.config, len(identity.vocabulary), identity.graph)
    model.load_state_dict(found.weights)
    return Run(
        path, identity.config, identity.vocabulary, model.to(device).eval(), found.standing.progress.step,
        damage_told(found),
    )  # fmt: skip


def damage_told(found: Checkpoint) -> tuple[str, ...]:
    """What a user should know when newer checkpoints are damaged."""
    if not found.damaged:
        return ()
    return (f"{told(found.damaged)}. The checkpoint before it is used, of step {found.standing.progress.step:,}",)
