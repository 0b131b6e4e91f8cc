"""The verb "train": text in, a run's folder out. Introduces data, training and generation to each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unrolled import cells
from unrolled.data import Ids, Source, Vocabulary, read_sources, split
from unrolled.equations import Graph
from unrolled.errors import ConfigError, DataError, TrainingError
from unrolled.generation import Strategy, generate
from unrolled.models import LanguageModel
from unrolled.runs.config import RunConfig
from unrolled.runs.folder import RunFolder, build_model
from unrolled.training import Evaluated, Event, Finished, SampleDue, Stepped, Trainer


@dataclass(frozen=True)
class Prepared:
    """The run is about to start: on what, and how large it is. Sizes count symbols."""

    path: str
    text: str
    files: int
    skipped: int
    vocabulary: int
    train: int
    held_out: int
    cell: str
    parameters: int
    unit: str


@dataclass(frozen=True)
class Sampled:
    """What the model writes after so many steps."""

    step: int
    text: str


@dataclass(frozen=True)
class Saved:
    """The run lies in its folder, as it is after so many steps."""

    step: int
    path: str


RunEvent = Prepared | Sampled | Saved | Event
Listener = Callable[[RunEvent], None]


def train(
    config: RunConfig,
    out: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    listen: Listener = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Train a new run, and save it at every evaluation, at the end and when it is told to stop.

    Args:
        config: what to do.
        out: the run's folder; None: the next free one, runs/CELL-1, runs/CELL-2 ...
        overwrite: replace a run that lies there.
        listen: hears every event.
        should_stop: asked before every step.

    Returns:
        The run's folder.

    Raises:
        DataError, CellError, EquationError, ConfigError, RunError: before anything is written.
        TrainingError: training diverged; the run is saved as it was before the step that failed.
    """
    device = _device(config.device)
    graph = cells.find(config.cell).graph
    source = read_sources(config.data)
    vocabulary, ids = _encoded(source, config)
    train_ids, held_out = _split(ids, config)
    torch.manual_seed(config.seed)
    model = build_model(config, vocabulary, graph).to(device)
    trainer = Trainer(model, train_ids, held_out, config)
    folder = RunFolder.create(Path(out) if out else _next_free(graph), overwrite=overwrite)
    folder.write_identity(config, vocabulary, graph)
    writer = _Writer(model, vocabulary, config)
    listen(_prepared(folder, source, vocabulary, train_ids, held_out, graph, model))
    try:
        for event in trainer.run(should_stop):
            _log(folder, event)
            listen(event)
            match event:
                case SampleDue():
                    sampled = Sampled(event.step, writer.write(event.step))
                    folder.write_sample(sampled.step, sampled.text)
                    listen(sampled)
                case Evaluated(step=step) if step > 0:
                    listen(_saved(folder, trainer))
                case Finished():
                    listen(_saved(folder, trainer))
    except TrainingError:
        listen(_saved(folder, trainer))
        raise
    return folder.path


class _Writer:
    """Lets the model write samples, each from a random generator of its own."""

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary, config: RunConfig) -> None:
        self.model = model
        self.vocabulary = vocabulary
        self.length = config.sample_length
        self.strategy = Strategy(temperature=config.sample_temperature)
        self.seed = config.seed

    def write(self, step: int) -> str:
        """The sample after so many steps; it starts after a newline, where the text has one."""
        prompt, _ = self.vocabulary.encode("\n")
        generator = torch.Generator().manual_seed((self.seed + step) % 2**63)
        return self.vocabulary.decode(generate(self.model, prompt, self.length, self.strategy, generator))


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"the device {name!r} cannot be used: {reason}. Without --device, the CPU is used") from error
    return device


def _encoded(source: Source, config: RunConfig) -> tuple[Vocabulary, Ids]:
    vocabulary = Vocabulary.of(source.content, config.tokens, source.name)
    ids, _ = vocabulary.encode(source.content, source.name)
    if len(ids) == 0 or (ids == ids[0]).all():
        raise DataError(
            f"{source.name} holds only one kind of {vocabulary.unit}, {vocabulary.summary()}: there is nothing to"
            " learn. Give a text with at least two"
        )
    return vocabulary, ids


def _split(ids: Ids, config: RunConfig) -> tuple[Ids, Ids]:
    train_ids, held_out = split(ids, config.val_frac)
    if len(held_out) < 2:
        raise DataError(
            f"the last {config.val_frac:g} of {len(ids):,} symbols, held out for validation, are {len(held_out)}: too"
            " few to predict one. Give more text, or a larger --val-frac"
        )
    return train_ids, held_out


def _next_free(graph: Graph) -> Path:
    name = graph.cell.partition("(")[0]
    number = 1
    while (path := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return path


def _prepared(
    folder: RunFolder,
    source: Source,
    vocabulary: Vocabulary,
    train_ids: Ids,
    held_out: Ids,
    graph: Graph,
    model: LanguageModel,
) -> Prepared:
    return Prepared(
        path=str(folder.path),
        text=source.name,
        files=source.files,
        skipped=source.skipped,
        vocabulary=len(vocabulary),
        train=len(train_ids),
        held_out=len(held_out),
        cell=graph.cell,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        unit=vocabulary.unit,
    )


def _log(folder: RunFolder, event: Event) -> None:
    if isinstance(event, Stepped | Evaluated | Finished):
        folder.log({"event": type(event).__name__.lower(), **asdict(event), "time": time.time()})


def _saved(folder: RunFolder, trainer: Trainer) -> Saved:
    folder.write_weights(trainer.model)
    folder.write_state(*_standing(trainer))
    return Saved(trainer.step, str(folder.path))


def _standing(trainer: Trainer) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    """Where training stands: what is small as JSON, what is large as tensors."""
    tensors = {f"carried.{name}": value for name, value in (trainer.state or {}).items()}
    tensors["random.torch"] = torch.get_rng_state()
    for place, values in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{place}.{name}": value for name, value in values.items() if isinstance(value, Tensor)}
    return {"step": trainer.step, "total": trainer.total, "first_loss": trainer.first_loss}, tensors
