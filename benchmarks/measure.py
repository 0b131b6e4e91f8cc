"""Measuring: who is right first, then who is fast. Knows neither networks nor tables.

Work is done by *teams* (the engine, torch.nn, a loop in Python). A team may have several *ways* to do it, each tried
with one thread and with two; of a team the fastest counts. All are measured in turns, round by round, so that a
disturbance of the machine meets everyone.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Answer = Mapping[str, Tensor]

TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-5, torch.bfloat16: 6e-2}
_TIMES_ROUNDING, _MOST_ROUNDING = 8, 1e-3
_LEAST = 0.02  # seconds that one measurement lasts at least
_TRIES = 3  # of a way, before it is given up
_AWAKE = 0.01  # seconds for which threads that have nothing to do may still be awake
_HOPELESS = 1.25  # times the team's fastest way: a way that is slower is not measured again


class WrongAnswerError(Exception):
    """The gate is red: someone computes something else, so no time means anything."""


@dataclass(frozen=True)
class Entry:
    """One way of a team to do the work, with so many threads of torch."""

    team: str
    run: Callable[[], Any]
    way: str = ""
    threads: int = 2

    def __str__(self) -> str:
        return f"{self.team}{', ' * bool(self.way)}{self.way}"


@dataclass(frozen=True)
class Time:
    """The median time of a team's fastest way."""

    ms: float
    way: str
    threads: int


def with_threads(team: str, run: Callable[[], Any], way: str = "", counts: Sequence[int] = (1, 2)) -> list[Entry]:
    """The same way with each number of threads."""
    return [Entry(team, run, way, count) for count in counts]


def check(
    what: str, answers: Mapping[str, Answer], truth: Answer, tolerance: float, rounded: Answer | None = None
) -> None:
    """The gate: every array of every answer lies within the tolerance of the truth, relative to its largest number.

    `rounded` is the reference's answer in the type of the answers. Where rounding alone leads it further away than the
    tolerance (a chaotic cell: the normalised LSTM), the answers may be a few times as far.

    Raises:
        WrongAnswerError: one is further off, or missing; names it.
    """
    for name, right in truth.items():
        rounding = 0.0 if rounded is None else distance(rounded[name], right)
        allowed = max(tolerance, min(_TIMES_ROUNDING * rounding, _MOST_ROUNDING))
        for who, answer in answers.items():
            if name not in answer:
                raise WrongAnswerError(f"{what}: {who} gives no {name}")
            off = distance(answer[name], right)
            if not off <= allowed:  # NaN is not
                raise WrongAnswerError(f"{what}: {who}: {name} is off by {off:.1e}, at most {allowed:.0e} is allowed")


def distance(got: Tensor, wanted: Tensor) -> float:
    """The largest difference, relative to the largest number that is wanted; infinite where shapes differ."""
    if got.shape != wanted.shape:
        return math.inf
    wanted = wanted.detach().double()
    scale = wanted.abs().max().clamp(min=1e-30)
    return float((got.detach().double() - wanted).abs().max() / scale)


def race(entries: Iterable[Entry], rounds: int) -> dict[str, Time]:
    """The time of each team, from so many rounds in which all are measured in turns."""
    tried = [(entry, min(_seconds(entry, 1) for _ in range(_TRIES))) for entry in entries]
    running = [(entry, max(1, math.ceil(_LEAST / seconds))) for entry, seconds in _hopeful(tried)]
    seen: list[list[float]] = [[] for _ in running]
    for _ in range(rounds):
        for (entry, times), samples in zip(running, seen, strict=True):
            samples.append(_seconds(entry, times))
    medians = [(entry, statistics.median(samples)) for (entry, _), samples in zip(running, seen, strict=True)]
    best: dict[str, Time] = {}
    for entry, seconds in sorted(medians, key=lambda one: one[1]):
        best.setdefault(entry.team, Time(seconds * 1e3, entry.way, entry.threads))
    return best


def _hopeful(tried: Sequence[tuple[Entry, float]]) -> list[tuple[Entry, float]]:
    fastest: dict[str, float] = {}
    for entry, seconds in tried:
        fastest[entry.team] = min(seconds, fastest.get(entry.team, math.inf))
    return [(entry, seconds) for entry, seconds in tried if seconds <= _HOPELESS * fastest[entry.team]]


def _seconds(entry: Entry, times: int) -> float:
    """Of one run, after some that are not counted: they wake this entry's threads, and the others' go to sleep."""
    with threads(entry.threads):
        started = time.perf_counter()
        entry.run()
        while time.perf_counter() - started < _AWAKE:
            entry.run()
        started = time.perf_counter()
        for _ in range(times):
            entry.run()
        return (time.perf_counter() - started) / times


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within the block torch, and the engine that follows it, use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean of ratios that does not depend on which of the two stands above."""
    return statistics.geometric_mean(ratios)
