"""Contestants that are processes of their own, and train a model in turns. Knows recipes, no tables.

How long torch's threads wait for work before they sleep is settled when torch is loaded, so who wants another setting
has to be another process. Ours is started as the command `unrolled train` starts itself, with GOMP_SPINCOUNT=1000;
torch as it comes. While one runs, the others sleep.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal

import torch
from torch import Tensor

from benchmarks.measure import WrongAnswerError, check
from benchmarks.models import Recipe, losses, our_step, recurrent_step, torch_step

What = Literal["step", "layers"]  # a step of training, or the recurrent layers' part of it
_FIRST = 5  # steps whose losses are compared
_LEAST = 3  # steps that a turn has at least
_TOLERANCE = {False: 1e-4, True: 1e-2}  # of the losses, by whether it is bfloat16
_spawning = multiprocessing.get_context("spawn")  # a fork would share torch's threads


@dataclass(frozen=True)
class Team:
    """Whose step it is, with how many threads, and what the environment variable GOMP_SPINCOUNT says."""

    is_ours: bool
    threads: int
    spin_count: str | None = None


TEAMS = {
    "unrolled": Team(is_ours=True, threads=2, spin_count="1000"),
    "unrolled, GOMP_SPINCOUNT unset": Team(is_ours=True, threads=2),
    "torch, 2 threads": Team(is_ours=False, threads=2),
    "torch, 1 thread": Team(is_ours=False, threads=1),
}


class Contestant:
    """A process that makes steps when it is asked to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.losses: Tensor = connection.recv()

    def ms(self, what: What, seconds: float) -> float:
        """What one step takes: the mean of a turn of so many seconds, after one that is not counted."""
        self._connection.send((what, seconds))
        answer: float = self._connection.recv()
        return answer


@contextmanager
def contestants(recipe: Recipe) -> Iterator[dict[str, Contestant]]:
    """All of them, for as long as the block lasts.

    Raises:
        WrongAnswerError: their first losses are not the same.
    """
    with ExitStack() as stack:
        connections = {name: stack.enter_context(_process(recipe, team)) for name, team in TEAMS.items()}
        made = {name: Contestant(one) for name, one in connections.items()}
        answers = {name: {"losses": one.losses} for name, one in made.items()}
        check(str(recipe), answers, answers["torch, 1 thread"], _TOLERANCE[recipe.is_bfloat16])
        first, *_, last = answers["unrolled"]["losses"]
        if first == last:
            raise WrongAnswerError(f"{recipe}: nothing is learned: the loss is {first} before and after")
        yield made


@contextmanager
def _process(recipe: Recipe, team: Team) -> Iterator[Connection]:
    here, there = _spawning.Pipe()
    process = _spawning.Process(target=_work, args=(there, recipe, team), daemon=True)
    with _spin_count(team.spin_count):
        process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def _work(there: Connection, recipe: Recipe, team: Team) -> None:
    """Tell the first losses; then make turns, until nobody asks any more."""
    torch.set_num_threads(team.threads)
    step = (our_step if team.is_ours else torch_step)(recipe)
    there.send(losses(step, _FIRST))
    steps: dict[What, Callable[[], object]] = {"step": step, "layers": recurrent_step(recipe)}
    while True:
        try:
            what, seconds = there.recv()
        except EOFError:
            return
        there.send(_mean_ms(steps[what], seconds))


def _mean_ms(step: Callable[[], object], seconds: float) -> float:
    step()  # wakes the threads
    started, count = time.perf_counter(), 0
    while count < _LEAST or time.perf_counter() - started < seconds:
        step()
        count += 1
    return (time.perf_counter() - started) / count * 1e3


@contextmanager
def one_core_busy() -> Iterator[None]:
    """Within the block a process of its own keeps a core busy."""
    process = _spawning.Process(target=_spin, daemon=True)
    process.start()
    time.sleep(0.5)  # until it spins
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _spin() -> None:
    while True:
        pass


@contextmanager
def _spin_count(value: str | None) -> Iterator[None]:
    """Within the block the environment variable has that value; None: it is not set."""
    before = os.environ.pop("GOMP_SPINCOUNT", None)
    if value is not None:
        os.environ["GOMP_SPINCOUNT"] = value
    try:
        yield
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)
        if before is not None:
            os.environ["GOMP_SPINCOUNT"] = before
