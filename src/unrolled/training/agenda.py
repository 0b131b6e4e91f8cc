"""What is due when: evaluations, samples, the end; how a limit of time becomes a number of steps. Trains nothing."""

from __future__ import annotations

import math

from unrolled.errors import ConfigError
from unrolled.training.clock import Clock
from unrolled.training.config import MOST, TrainingConfig
from unrolled.training.progress import Progress

_TIMED_SHARE = 0.05  # of a time limit passes before it becomes a number of steps
_CORRECTED_SHARE = 0.5  # of the steps, or of the time, are over when that number is set right
_PLANNED_SHARE = 0.97  # of the time limit; the rest covers what was estimated too low
_EVALUATED_SHARE = 0.2  # of the time limit at most is spent on evaluations
_OVERTIME = 1.1  # times the limit: training stops, whatever was planned
_ROUNDING = 1e-9  # 0.1 + 0.2 has reached 0.3


class Agenda:
    """A training's plan, over its progress and its clock.

    Evaluations lie evenly over the way, samples close together at first, where text grows fastest.
    """

    def __init__(self, config: TrainingConfig, clock: Clock, steps_per_epoch: int, *, has_held_out: bool) -> None:
        self._config = config
        self._clock = clock
        self._has_held_out = has_held_out
        self._is_limited = config.minutes is not None  # the steps of a plan that was made before a resume are all made
        self._is_corrected = False
        self.progress = Progress(
            total=_fixed_steps(config, steps_per_epoch), evaluations=config.evaluations if has_held_out else 0
        )

    def restore(self, progress: Progress) -> None:
        """Go on from there."""
        self.progress = progress.model_copy()
        self._is_limited = progress.total is None

    def extend(self, total: int) -> None:
        """Plan so many steps in all.

        Raises:
            ConfigError: so many are done already, or nobody can make so many.
        """
        if not self.progress.step < total <= MOST:
            raise ConfigError(
                f"{total:,} steps in all: {self.progress.step:,} are done already, give more than these and at most"
                f" {MOST:,}"
            )
        self.progress.total = total
        self.progress.since_best = 0
        self.progress.evaluations = self._config.evaluations if self._has_held_out else 0
        self._is_limited = False

    @property
    def has_ended(self) -> bool:
        """Whether training is over, for whatever reason."""
        return bool(self.reason)

    @property
    def reason(self) -> str:
        """Why training is over: "done", all steps are made; "patience", nothing got better; "time"; else empty."""
        if self.progress.step == self.progress.total:
            return "done"
        if self._config.patience and self.progress.since_best >= self._config.patience:
            return "patience"
        return "time" if self._is_limited and self._clock.elapsed > _OVERTIME * self._limit else ""

    @property
    def share_done(self) -> float:
        """The share of all steps that is done; of the time, while it has not been turned into steps yet."""
        if self.progress.total is None:
            return min(1.0, self._clock.elapsed / self._limit)
        return self.progress.step / self.progress.total

    def is_evaluation_due(self, share: float) -> bool:
        """Whether what is held out should be measured, when that share is done."""
        progress = self.progress
        if not progress.evaluations or progress.evaluated_at == progress.step:
            return False
        if progress.step == 0:
            return progress.total is None  # how long does it take?
        passed = [math.floor(one * progress.evaluations + _ROUNDING) for one in (progress.looked_until, share)]
        return self.has_ended or passed[0] < passed[1]

    def is_sample_due(self, share: float) -> bool:
        """Whether a sample should be written, when that share is done."""
        if not self._config.samples or self.progress.sampled_at == self.progress.step:
            return False
        if self.progress.step == 0:
            return self._config.samples > 1
        return self.has_ended or any(self.progress.looked_until < one <= share for one in _early(self._config.samples))

    @property
    def can_plan(self) -> bool:
        """Whether a limit of time can become a number of steps: once it is known how long one takes, and once again.

        The second time sets right what was planned while the machine was busier, or less busy, than it is now. The
        rates of the steps that are done would have been the same: it has not begun to fall.
        """
        if not self._is_limited or not self._clock.knows_a_step:
            return False
        share_of_time = self._clock.elapsed / self._limit
        if self.progress.total is None:
            return share_of_time >= _TIMED_SHARE
        is_half_way = max(share_of_time, self.share_done) >= _CORRECTED_SHARE
        return is_half_way and not self._is_corrected and self.share_done < 1 - self._config.decay

    def plan(self) -> int:
        """Turn what is left of the time limit into a number of steps, and into as many evaluations as it can bear."""
        progress, cost = self.progress, self._clock.seconds_per_evaluation
        self._is_corrected = progress.total is not None
        bearable = int(_EVALUATED_SHARE * self._limit / max(cost, 1e-9))
        progress.evaluations = max(1, min(progress.evaluations, bearable)) if progress.evaluations else 0
        to_come = progress.evaluations - math.floor(progress.looked_until * progress.evaluations + _ROUNDING)
        reading = cost * min(to_come, bearable)  # what it cannot bear even once, follows after the time
        left = _PLANNED_SHARE * self._limit - self._clock.elapsed - reading
        progress.total = progress.step + max(1, int(left / self._clock.seconds_per_step))
        return progress.total

    @property
    def _limit(self) -> float:
        """The time limit in seconds; infinite without one."""
        return math.inf if self._config.minutes is None else 60 * self._config.minutes


def _fixed_steps(config: TrainingConfig, steps_per_epoch: int) -> int | None:
    """The number of steps, where it is known from the start; None under a time limit."""
    if config.steps is not None:
        return config.steps
    if config.epochs is not None:
        return math.ceil(config.epochs * steps_per_epoch)
    return None


def _early(count: int) -> list[float]:
    """Shares that lie close at first, where text grows fastest: ..., 0.1, 0.32, 1; one of `count` is at step 0."""
    return [10 ** (-place / 2) for place in range(max(1, count - 1))] if count else []
