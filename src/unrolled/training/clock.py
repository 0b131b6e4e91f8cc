"""The time spent training, and the typical time of a step, in seconds. Knows no training."""

from __future__ import annotations

import statistics
import time
from collections import deque

_TIMED_STEPS = 200  # the last steps that were timed: their median is the time of a step
_FEWEST_STEPS = 20  # from which it is known


class Clock:
    """Counts from `start` on; `elapsed` includes what was spent before a resume."""

    def __init__(self) -> None:
        self.seconds_per_evaluation = 0.0
        self._steps = 0
        self._spent = 0.0
        self._started: float | None = None
        self._step_started = 0.0
        self._durations: deque[float] = deque(maxlen=_TIMED_STEPS)

    def start(self, spent: float) -> None:
        """Count from there on."""
        self._spent = spent
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds of training so far."""
        return self._spent + (0.0 if self._started is None else time.monotonic() - self._started)

    @property
    def seconds_per_step(self) -> float:
        """The median of the last steps."""
        return statistics.median(self._durations)

    @property
    def knows_a_step(self) -> bool:
        """Whether enough steps were timed to say how long one takes."""
        return self._steps >= _FEWEST_STEPS

    def start_step(self) -> None:
        """A step begins."""
        self._step_started = time.monotonic()

    def end_step(self) -> None:
        """It has ended."""
        self._steps += 1
        self._durations.append(time.monotonic() - self._step_started)
