"""What a run's folder tells of its training: losses by step, and what was written. Loads no model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from unrolled import files
from unrolled.runs.folder import RunFolder
from unrolled.runs.layout import METRICS, SAMPLES
from unrolled.runs.loading import Run

_POINTS = 400  # of a curve
_SAMPLES = 12  # that are shown, evenly over the training
_LARGEST, _LARGEST_SAMPLE = 1 << 28, 1 << 16  # bytes
_NAME = re.compile(r"step-(\d+)\.txt")

Curve = tuple[list[int], list[float]]


@dataclass(frozen=True)
class History:
    """facts: in words. losses: name -> (steps, nats per `unit`). samples: step -> what was written after it.

    divergences: "n-gram" -> (steps, nats): how far the predictions were from those of n-gram models, if that was asked
    for (`--divergence`).
    """

    facts: tuple[str, ...] = ()
    losses: dict[str, Curve] = field(default_factory=dict)
    divergences: dict[str, Curve] = field(default_factory=dict)
    samples: dict[int, str] = field(default_factory=dict)
    unit: str = "step"


def history_of(run: Run, folder: RunFolder) -> History:
    """A run's history. What cannot be read is left out: it is told, nothing depends on it."""
    size = f"{run.config.num_layers} x {run.config.hidden_size}"
    parameters = sum(one.numel() for one in run.model.parameters())
    facts = (
        f"{run.identity.kind.learner(run.about)}: {run.config.cell}, {size} units, {parameters:,} parameters",
        f"after {run.step:,} steps of training",
    )
    events = list(_events(folder))
    curves = {"training": _curve(events, "stepped"), "held out": _curve(events, "evaluated")}
    losses = {name: _thinned(curve) for name, curve in curves.items() if curve[0]}
    return History(facts, losses, _divergences(events), _samples(folder), run.about.unit)


def _events(folder: RunFolder) -> Iterator[dict[str, Any]]:
    try:
        content = files.read(folder.path / METRICS, _LARGEST)
    except (OSError, ValueError):
        return
    for line in content.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield event


def _curve(events: list[dict[str, Any]], name: str) -> Curve:
    points = [(one.get("step"), one.get("loss")) for one in events if one.get("event") == name]
    sound = [(x, y) for x, y in points if isinstance(x, int) and _is_number(y)]
    return [x for x, _ in sound], [float(f"{y:.5g}") for _, y in sound]


def _is_number(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _divergences(events: list[dict[str, Any]]) -> dict[str, Curve]:
    found: dict[str, Curve] = {}
    for one in events:
        if one.get("event") == "diverged" and isinstance(one.get("step"), int):
            given = one.get("divergences")
            for order, nats in given.items() if isinstance(given, dict) else ():
                if not _is_number(nats):
                    continue
                steps, curve = found.setdefault(f"{order}-gram", ([], []))
                steps.append(one["step"])
                curve.append(float(f"{nats:.5g}"))
    return found


def _thinned(curve: Curve) -> Curve:
    """A long curve by the means of its pieces."""
    steps, losses = curve
    size = math.ceil(len(steps) / _POINTS)
    if size <= 1:
        return curve
    pieces = [losses[start : start + size] for start in range(0, len(losses), size)]
    return steps[size - 1 :: size] + steps[len(steps) - 1 :][: len(steps) % size > 0], [
        float(f"{sum(piece) / len(piece):.5g}") for piece in pieces
    ]


def _samples(folder: RunFolder) -> dict[int, str]:
    place = folder.path / SAMPLES
    if not place.is_dir():
        return {}
    found = {int(match[1]): path for path in place.iterdir() if (match := _NAME.fullmatch(path.name))}
    steps = sorted(found)
    if len(steps) > _SAMPLES:
        steps = [steps[round(number * (len(steps) - 1) / (_SAMPLES - 1))] for number in range(_SAMPLES)]
    samples = {}
    for step in steps:
        try:
            samples[step] = files.read(found[step], _LARGEST_SAMPLE).decode("utf-8", "replace")
        except (OSError, ValueError):
            continue
    return samples
