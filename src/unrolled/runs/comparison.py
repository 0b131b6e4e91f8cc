"""The verbs "runs" and "compare": what was tried, and what it came to. Reads runs, trains nothing."""

from __future__ import annotations

import json
import os
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unrolled import files
from unrolled.errors import RunError
from unrolled.runs.config import RunConfig
from unrolled.runs.folder import RunFolder

_DRAWS = 10_000  # samples with return, for an interval


@dataclass(frozen=True)
class Tried:
    """A run in a line. `best_loss`: the lowest held-out loss, mean nats per token; `elapsed`: seconds of training."""

    name: str
    cell: str
    parameters: int
    text: str
    seed: int
    step: int
    total: int | None
    best_loss: float | None
    best_step: int | None
    elapsed: float
    remark: str


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed. `low` to `high`: the 95 % interval of the median."""

    what: str
    runs: tuple[str, ...]
    losses: tuple[float, ...]
    median: float
    low: float
    high: float


def tried(folder: Path) -> list[Tried]:
    """Every run in a folder, the lowest held-out loss first. What cannot be read is listed with the reason.

    Raises:
        RunError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}: runs are made by 'unrolled train', in runs/ unless -o says else")
    found = [_tried(path) for path in sorted(folder.iterdir()) if (path / "config.json").is_file()]
    if not found:
        raise RunError(f"there is no run in {folder}")
    return sorted(found, key=lambda one: (one.best_loss is None, one.best_loss or 0.0, one.name))


def compare(paths: Sequence[Path]) -> list[Group]:
    """Runs, grouped by what they differ in besides the seed, the lowest median first.

    Raises:
        RunError: fewer than two different ones, one that cannot be read, or one without a held-out loss.
    """
    paths = list({os.path.realpath(path): path for path in paths}.values())
    if len(paths) < 2:
        raise RunError("give two different runs or more to compare")
    configs = {path: _as_trained(path) for path in paths}
    different = _different(list(configs.values()))
    groups: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for path, config in configs.items():
        loss = _tried(path).best_loss
        if loss is None:
            raise RunError(f"{path} has no held-out loss to compare: it was stopped before its first evaluation")
        options = config.model_dump()
        what = ", ".join(f"{name}={options[name]}" for name in different) or "only the seed"
        groups[what].append((str(path), loss))
    made = [_group(what, members) for what, members in groups.items()]
    return sorted(made, key=lambda group: group.median)


def _as_trained(path: Path) -> RunConfig:
    """The options of a run; its steps are those that it came to, if it was made longer."""
    config = RunFolder.at(path).identity().config
    return config if config.steps is None else config.model_copy(update={"steps": _tried(path).total or config.steps})


def _tried(path: Path) -> Tried:
    try:
        folder = RunFolder.at(path)
        identity = folder.identity()
        expected = identity.expected()
        found = folder.checkpoints.weights(expected)
    except RunError as error:
        return Tried(path.name, "", 0, "", 0, 0, None, None, None, 0.0, f"cannot be read: {error}"[:100])
    size = sum(value.numel() for value in expected.values())
    facts = (path.name, identity.graph.cell, size, identity.about.name, identity.config.seed)
    if found is None:
        return Tried(*facts, 0, None, None, None, 0.0, "never saved")
    progress = found.standing.progress
    best = progress.best
    return Tried(
        *facts, progress.step, progress.total,
        None if best is None else best.loss, None if best is None else best.step,
        progress.elapsed, _remark(folder, progress.step == progress.total),
    )  # fmt: skip


def _remark(folder: RunFolder, is_done: bool) -> str:
    if is_done:
        return ""
    try:
        with files.locked(folder.path):
            return "stopped"
    except BlockingIOError:
        return "in training"


def _different(configs: Sequence[RunConfig]) -> list[str]:
    """The options in which they differ, besides the seed."""
    dumped = [config.model_dump(mode="json") for config in configs]
    names = [name for name in RunConfig.model_fields if name != "seed"]
    return [name for name in names if len({json.dumps(one[name]) for one in dumped}) > 1]


def _group(what: str, members: list[tuple[str, float]]) -> Group:
    losses = [loss for _, loss in members]
    drawn = np.random.default_rng(0).choice(losses, (_DRAWS, len(losses)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    names = tuple(name for name, _ in members)
    return Group(what, names, tuple(losses), statistics.median(losses), float(low), float(high))
