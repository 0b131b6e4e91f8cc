"""The verbs "train" and "resume": data in, a run's folder out; and on from where a run stopped."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unrolled import cells
from unrolled.equations import Cell
from unrolled.errors import ConfigError, RunError
from unrolled.runs.building import initialised, recurrent_layers, torch_as_it_is
from unrolled.runs.checkpoints import Checkpoint
from unrolled.runs.config import RunConfig
from unrolled.runs.events import AlreadyDone, Listener, Prepared, Warned
from unrolled.runs.folder import Identity, RunFolder
from unrolled.runs.loading import damage_told
from unrolled.runs.machine import Machine
from unrolled.runs.replacing import Replacing
from unrolled.runs.session import Session
from unrolled.runs.tasks import kind_of
from unrolled.training import Task, Trainer


def train(
    config: RunConfig,
    out: str | PathLike[str] | None = None,
    *,
    cell: Cell | None = None,
    overwrite: bool = False,
    listen: Listener = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Train a new run, and save it at every evaluation, every few minutes, at the end and when it is told to stop.

    Args:
        config: what to do: the options of one kind of task.
        cell: the cell to train, in the place of the one that `config.cell` names.
        out: the run's folder; None: the next free one, runs/CELL-1, runs/CELL-2 ...
        overwrite: replace a run that lies there, when the new one has been saved for the first time.
        listen: hears every event.
        should_stop: asked before every step.

    Returns:
        The run's folder.

    Raises:
        DataError, CellError, EquationError, ConfigError, RunError: before anything is written.
        TrainingError: training cannot go on; the run is as it was before the step that failed.
    """
    device = _device(config.device)
    if cell is not None:
        config = config.model_copy(update={"cell": repr(cell)})
    with torch_as_it_is():  # a file of cells may change it, and a resume does not run that file
        graph = (cells.find(config.cell) if cell is None else cell).graph
    place = Replacing(out, graph.cell, overwrite=overwrite)
    place.check()
    kind = kind_of(config.task)
    gathered = kind.gather(config)
    config = kind.settled(config, gathered)
    identity = Identity(kind, config, graph, gathered.about)
    model = initialised(config, identity.make).to(device)
    # what does not fit, or cannot run, is told before anything is written
    Trainer(kind.task(config, gathered.about, gathered.data, model), config)
    _engine(model, config)
    with place:
        folder = place.make(lambda path: RunFolder.create(path, identity, gathered.contents()))
        with folder.locked():
            hear = place.hearing(listen)
            data = folder.data(identity)
            trainer: Trainer[Task] = Trainer(kind.task(config, gathered.about, data, model), config)
            hear(_prepared(folder, identity, trainer))
            Session(folder, identity, trainer, hear, kind.observers(config, data, model)).run(should_stop)
    return folder.path


def resume(
    path: str | PathLike[str],
    steps: int | None = None,
    *,
    listen: Listener = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Go on with a run from its newest checkpoint; from the start, if it was stopped before the first one.

    The weights in the end are those of a run that was never stopped, bit for bit, on the same machine with the same
    number of threads; what differs is told as `Warned`. A run that is done is left as it is, unless `steps` says to
    train so many in all: the learning rate of every step to come is then that of a run of `steps` steps. Where the
    steps that are done had the rates of such a run, too (its warm-up was as long, and the rate had not begun to fall),
    the result is that of such a run; where the rate had fallen, it rises again.

    Raises:
        RunError: not a run, a damaged one, or one that another process is training.
        ConfigError: more than `steps` steps are done already.
        TrainingError: training cannot go on.
    """
    folder = RunFolder.at(Path(path))
    with folder.locked():
        identity = folder.identity()
        trainer, data = _trainer(folder, identity)
        checkpoint, tensors = folder.checkpoints.newest(
            trainer.task.model.state_dict(), lambda one: _tensors(trainer, one)
        ) or (None, {})
        if checkpoint is not None:
            trainer.task.model.load_state_dict(checkpoint.weights)
            trainer.restore(checkpoint.standing.progress, tensors)
        if steps is not None:
            trainer.extend(steps)
        if trainer.is_done():
            listen(AlreadyDone(trainer.progress.step, str(folder.path)))
            return folder.path
        for warning in () if checkpoint is None else (*damage_told(checkpoint), *_inexact(checkpoint)):
            listen(Warned(warning))
        listen(_prepared(folder, identity, trainer))
        folder.forget_after(checkpoint)
        best = None if checkpoint is None else checkpoint.standing.best
        observers = identity.kind.observers(identity.config, data, trainer.task.model)
        Session(folder, identity, trainer, listen, observers, best).run(should_stop)
    return folder.path


def _trainer(folder: RunFolder, identity: Identity) -> tuple[Trainer[Task], Any]:
    """A trainer of the run, as it was before the first step, and the run's data."""
    config = identity.config
    identity.expected()  # before any memory is taken
    data = folder.data(identity)
    model = initialised(config, identity.make).to(_device(config.device))
    return Trainer(identity.kind.task(config, identity.about, data, model), config), data


def _tensors(trainer: Trainer[Task], checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The tensors of a checkpoint, if training can go on with them."""
    tensors = checkpoint.tensors(trainer.expected())
    if misfit := trainer.misfit(checkpoint.standing.progress, tensors):
        raise RunError(f"{checkpoint.folder.folder} does not fit the run: {misfit}")
    return tensors


def _inexact(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Why this resume may differ in the last bits."""
    differences = checkpoint.standing.machine.differences(Machine.here())
    if not differences:
        return ()
    return (
        f"this is not the machine, or not the setting, that the run was trained on ({'; '.join(differences)}): its"
        " numbers may differ in their last digits from those of a run that was never stopped",
    )


def _prepared(folder: RunFolder, identity: Identity, trainer: Trainer[Task]) -> Prepared:
    config, model = identity.config, trainer.task.model
    told = identity.kind.told(config, identity.about, trainer.task)
    return Prepared(
        path=str(folder.path),
        task=identity.kind.name,
        **vars(told),
        cell=identity.graph.cell,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        engine=_engine(model, config),
        data=config.data,
        step=trainer.progress.step,
    )


def _engine(model: nn.Module, config: RunConfig) -> str:
    """Which engine runs the first layer; all are of one cell."""
    device = next(model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
        return next(iter(recurrent_layers(model)[0].plan().values()))


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # (on "meta" there is nothing to read)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"the device {name!r} cannot be used: {reason}. Without --device, the CPU is used") from error
    return device
