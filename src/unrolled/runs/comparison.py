"""The verbs "runs" and "compare": what was tried, and what it came to. Reads runs, trains nothing."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unrolled import files
from unrolled.errors import RunError
from unrolled.runs.config import RunConfig
from unrolled.runs.folder import RunFolder
from unrolled.training import Progress

_CONFIDENCE = 0.95
_WITHOUT_EFFECT = ("seed", "samples", "sample_length", "sample_temperature", "save_minutes", "divergence")
_WHAT_IS_READ = (  # what held-out losses are of
    "task", "data", "mix", "tokens", "vocab_size", "val_frac", "split", "split_seed", "lower", "text_column",
    "label_column", "source_column", "target_column", "target_tokens", "max_length", "frame_size", "frame_channels",
    "image_folder", "image_column", "image_size", "image_channels", "image_fit", "threshold",
)  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """A run in a line.

    task: of which kind its work is. best_loss: of the best weights, held out, mean nats per `unit`. best_score: theirs
    by which they were chosen, and score, its name; None and empty: they were chosen by the loss. elapsed: seconds.
    """

    path: str
    task: str
    cell: str
    parameters: int
    text: str
    seed: int
    step: int
    total: int | None
    unit: str
    best_loss: float | None
    best_step: int | None
    elapsed: float
    remark: str
    score: str = ""
    best_score: float | None = None

    @property
    def order(self) -> tuple[bool, str, str, str, float, float, str]:
        """Those of like tasks, units and scores together, the best first; what was never measured comes last."""
        score, loss = -(self.best_score or 0.0), self.best_loss or 0.0
        return self.best_loss is None, self.task, self.unit, self.score, score, loss, self.path


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed, and the held-out losses of their best weights, mean nats per token.

    `same_text` is false where not all groups read, and hold out, the same: then their losses do not compare.

    `interval` holds the median of all seeds with a confidence of at least 95 %; None below six runs, which cannot
    say that much.
    """

    what: str
    runs: tuple[str, ...]
    losses: tuple[float, ...]
    median: float
    interval: tuple[float, float] | None
    same_text: bool


def tried(folder: Path) -> list[Tried]:
    """Every run in a folder, those of a task together, the best first. One that cannot be read is listed with why.

    Raises:
        RunError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}: runs are made by 'unrolled train', in runs/ unless -o says else")
    found = [_tried(path) for path in sorted(folder.iterdir()) if _seems_a_run(path)]
    if not found:
        raise RunError(f"there is no run in {folder}")
    return sorted(found, key=lambda one: one.order)


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
        what = ", ".join(f"{name}={_told(options.get(name))}" for name in different) or "only the seed"
        groups[what].append((str(path), loss))
    same_text = not set(different).intersection(_WHAT_IS_READ)
    made = [_group(what, members, same_text=same_text) for what, members in groups.items()]
    return sorted(made, key=lambda group: group.median)


def _as_trained(path: Path) -> RunConfig:
    """The options of a run; its steps are those that it came to, if it was made longer."""
    config = RunFolder.at(path).identity().config
    return config if config.steps is None else config.model_copy(update={"steps": _tried(path).total or config.steps})


def _seems_a_run(path: Path) -> bool:
    try:
        return (path / "config.json").is_file()
    except OSError:  # a folder of somebody else
        return False


def _tried(path: Path) -> Tried:
    try:
        folder = RunFolder.at(path)
        identity = folder.identity()
        size = identity.parameters()
        standing = folder.checkpoints.newest_standing()
    except RunError as error:
        return Tried(str(path), "", "", 0, "", 0, 0, None, "", None, None, 0.0, f"cannot be read: {error}"[:100])
    unit = identity.about.unit
    config = identity.config
    facts = (str(path), config.task, identity.graph.cell, size, identity.about.name, config.seed)
    if standing is None:
        return Tried(*facts, 0, None, unit, None, None, 0.0, "never saved")
    progress = standing.progress
    best = progress.best
    return Tried(
        *facts, progress.step, progress.total, unit,
        None if best is None else best.loss, None if best is None else best.step,
        progress.elapsed, _remark(folder, _is_done(config, progress)),
        identity.kind.chosen_by(config) or "", None if best is None else best.score,
    )  # fmt: skip


def _is_done(config: RunConfig, progress: Progress) -> bool:
    has_lost_patience = bool(config.patience) and progress.since_best >= config.patience
    return progress.step == progress.total or has_lost_patience


def _remark(folder: RunFolder, is_done: bool) -> str:
    if is_done:
        return ""
    try:
        with files.locked(folder.path):
            return "stopped"
    except BlockingIOError:
        return "in training"


def _different(configs: Sequence[RunConfig]) -> list[str]:
    """The options in which they differ, besides the seed and what has no effect on a loss."""
    dumped = [config.model_dump(mode="json") for config in configs]
    names = dict.fromkeys(name for one in dumped for name in one if name not in _WITHOUT_EFFECT)
    return [name for name in names if len({json.dumps(one.get(name)) for one in dumped}) > 1]


def _told(option: object) -> str:
    return " ".join(map(str, option)) if isinstance(option, tuple) else str(option)


def _group(what: str, members: list[tuple[str, float]], *, same_text: bool) -> Group:
    losses = [loss for _, loss in members]
    names = tuple(name for name, _ in members)
    return Group(what, names, tuple(losses), statistics.median(losses), interval_of_median(losses), same_text)


def interval_of_median(values: Sequence[float]) -> tuple[float, float] | None:
    """The narrowest pair of equally ranked values that holds the true median with 95 % confidence; None if none does.

    Whatever the distribution, the median lies below the k-th smallest of n values with probability
    P(Binomial(n, 1/2) < k) (Conover 1999, ch. 3.2).
    """
    ranked, count = sorted(values), len(values)
    outside, kept = 0.0, None
    for rank in range(count // 2):
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - _CONFIDENCE:
            break
        kept = (ranked[rank], ranked[-1 - rank])
    return kept
