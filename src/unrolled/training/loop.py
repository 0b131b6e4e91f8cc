"""The training loop, to be read from top to bottom. It emits events and prints nothing.

Truncated backpropagation through time: each chunk goes on from the states in which the chunk before left every
stream, and gradients stop between them. Everything that a step depends on is in `Progress` and `tensors()`: a
trainer that is given both goes on as if it had never stopped, bit for bit.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from torch import Tensor

from unrolled.errors import ConfigError, TrainingError
from unrolled.training.config import MOST, TrainingConfig
from unrolled.training.events import Evaluated, Event, Finished, Planned, SampleDue, Stepped
from unrolled.training.guard import Guard
from unrolled.training.noise import noise
from unrolled.training.optim import Optimizer, clip_gradients, rate_at
from unrolled.training.progress import Best, Progress
from unrolled.training.task import StepLoss, Task

TaskType = TypeVar("TaskType", bound=Task)

_TIMED_SHARE = 0.05  # of a time limit passes before it becomes a number of steps
_TIMED_STEPS = 20  # the last steps that were timed: their median is the time of a step
_PLANNED_SHARE = 0.97  # of the time limit; the rest covers what was estimated too low
_EVALUATED_SHARE = 0.2  # of the time limit at most is spent on evaluations
_OVERTIME = 1.1  # times the limit: training stops, whatever was planned


class Trainer(Generic[TaskType]):
    """A task in training: what changes from step to step, and the loop that changes it."""

    def __init__(self, task: TaskType, config: TrainingConfig, rate: Callable[[int], float] | None = None) -> None:
        """`rate` gives the learning rate of each step, counted from 0, in place of the configuration's."""
        self.task = task
        self.config = config
        self.optimizer = Optimizer(config, task.model)
        self.progress = Progress(
            total=_fixed_steps(config, task.steps_per_epoch),
            evaluations=config.evaluations if task.has_held_out else 0,
        )
        self._rate = rate or self._planned_rate
        self._guard = Guard(task.model, self.optimizer)
        self._clock = _Clock()
        self._is_limited = True  # by time; the steps of a plan that was made before a resume are all made

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train until all steps are done, the time is over, or `should_stop()`; again, to go on after a stop.

        Under a time limit the held-out text is read once before the time begins, to learn how long that takes.

        Raises:
            TrainingError: the loss, a gradient, or anything else that an update is made of is not a finite number,
                or the loss exploded. The weights are those before the step that failed.
        """
        if self.progress.step == 0:
            yield from self._look(should_stop)
        self._clock.start(self.progress.elapsed)
        if self.progress.total is not None:
            yield Planned(self.progress.total)
        while True:
            yield from self._look(should_stop)
            if self.is_done():
                reason = "done" if self.progress.step == self.progress.total else "time"
                break
            if should_stop():
                reason = "interrupted"
                break
            yield self._update()
            if self.progress.total is None and self._knows_speed():
                yield self._plan()
        self.progress.elapsed = self._clock.elapsed
        yield Finished(self.progress.step, reason, self.progress.elapsed)

    def extend(self, total: int) -> None:
        """Train so many steps in all. The rate of each step to come is that of a training of `total` steps.

        Raises:
            ConfigError: so many steps are done already, or nobody can make so many.
        """
        if not self.progress.step < total <= MOST:
            raise ConfigError(
                f"{total:,} steps in all: {self.progress.step:,} are done already, give more than these and at most"
                f" {MOST:,}"
            )
        self.progress.total = total
        self.progress.evaluations = self.config.evaluations if self.task.has_held_out else 0
        self._is_limited = False

    def is_done(self) -> bool:
        """Whether all steps are made, and what was due after the last one is done."""
        return self._ended and self._has_looked()

    def is_sound(self) -> bool:
        """Whether everything that would be saved consists of finite numbers."""
        return self._guard.all_finite(self.task.carried)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that training consists of, besides the weights: carried states, and the optimiser's."""
        carried = {f"carried.{name}": value for name, value in self.task.carried.items()}
        return carried | {f"optimizer.{name}": value for name, value in self.optimizer.tensors().items()}

    def restore(self, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
        """Go on from where another trainer of the same task stood; its weights are the model's already.

        The tensors have the names, types and shapes of `expected`, and no `misfit`.
        """
        device = next(self.task.model.parameters()).device
        self.task.carried = {name: tensors[f"carried.{name}"].to(device) for name in self.task.carried}
        self.optimizer.restore(_of_the_optimizer(tensors))
        self.progress = progress.model_copy()
        self._is_limited = progress.total is None

    def expected(self) -> dict[str, Tensor]:
        """The names, types and shapes of `tensors()`, on no device."""
        return {name: value.to("meta") for name, value in self.tensors().items()}

    def misfit(self, progress: Progress, tensors: Mapping[str, Tensor]) -> str:
        """Why a training that stands there cannot consist of these tensors; empty if it can."""
        return self.optimizer.misfit(_of_the_optimizer(tensors), progress.step)

    def _update(self) -> Stepped:
        """One chunk: forward, loss, backward, clip, step."""
        self._clock.start_step()
        progress = self.progress
        rate = self._rate(progress.step)
        made, norm = self._gradients()
        loss = made.nats.item()
        self._check(made, loss, norm)
        self.optimizer.step(rate)
        self.task.carried = {name: value.detach() for name, value in made.after.items()}
        progress.step += 1
        self._clock.end_step()
        progress.elapsed = self._clock.elapsed
        speed = made.tokens / self._clock.seconds_per_step
        return Stepped(progress.step, loss, norm, rate, speed, progress.elapsed)

    def _planned_rate(self, step: int) -> float:
        return rate_at(step, self.progress.total, self.config, self.task.steps_per_epoch)

    def _gradients(self) -> tuple[StepLoss, float]:
        """The loss of the next chunk, its gradients in the parameters, clipped, and their norm before that."""
        device = next(self.task.model.parameters()).device
        with noise(self.config.seed, "training", self.progress.step, device):
            made = self.task.loss(self.progress.step)
        self.optimizer.zero_grad()
        # the mean over a chunk's steps, or the sum that char-rnn's clipping and optimiser are meant for
        scale = made.steps if self.config.over_time == "sum" else 1
        (made.nats * scale).backward()  # type: ignore[no-untyped-call]
        return made, clip_gradients(self.task.model.parameters(), self.config)

    def _check(self, made: StepLoss, loss: float, norm: float) -> None:
        """Stop before the update if it would be made of numbers that are none, or of an exploded loss."""
        step = self.progress.step + 1
        advice = "Try a smaller --learning-rate, or a smaller --grad-clip; 'unrolled cells' shows the cell"
        if not (math.isfinite(loss) and math.isfinite(norm) and self._guard.all_finite(made.after)):
            where = self._guard.where(self.task.carried, made, lambda: self.task.loss(self.progress.step))
            raise TrainingError(f"training stopped in step {step}: {where}. {advice}")
        if self.progress.first_loss is None:
            self.progress.first_loss = loss
        most = self.config.explosion * max(self.progress.first_loss, self.task.loss_of_guessing)
        if self.config.explosion and loss > most:
            raise TrainingError(
                f"training stopped in step {step}: the loss exploded, from {self.progress.first_loss:.2f} to"
                f" {loss:.2f} nats per token. {advice}"
            )

    def _look(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        """What is due after this step and was not done yet: the held-out text is read, a sample written."""
        share = self._share_done()
        if self._is_evaluation_due(share):
            yield from self._evaluate(should_stop)
        if self._is_sample_due(share):
            yield SampleDue(self.progress.step)
            if not should_stop():  # else the listener had to leave it
                self.progress.sampled_at = self.progress.step
        if not should_stop():
            self.progress.way = share

    def _evaluate(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        started = time.monotonic()
        loss = self.task.evaluate(should_stop)
        if loss is None:
            return
        progress = self.progress
        if not math.isfinite(loss):
            where = self._guard.where(self.task.carried)
            raise TrainingError(
                f"training stopped after step {progress.step}: the loss on the held-out text is {loss}: {where}. Try a"
                " smaller --learning-rate"
            )
        progress.evaluated_at = progress.step
        if progress.step and (progress.best is None or loss < progress.best.loss):
            progress.best = Best(step=progress.step, loss=loss)
        self._clock.seconds_per_evaluation = time.monotonic() - started
        yield Evaluated(progress.step, loss, self._clock.elapsed)

    def _is_evaluation_due(self, share: float) -> bool:
        if not self.progress.evaluations or self.progress.evaluated_at == self.progress.step:
            return False
        if self.progress.step == 0:
            return self.progress.total is None  # how long does it take?
        passed = [math.floor(one * self.progress.evaluations + _ROUNDING) for one in (self.progress.way, share)]
        return self._ended or passed[0] < passed[1]

    def _is_sample_due(self, share: float) -> bool:
        if not self.config.samples or self.progress.sampled_at == self.progress.step:
            return False
        if self.progress.step == 0:
            return self.config.samples > 1
        return any(self.progress.way < one <= share for one in _early(self.config.samples))

    def _has_looked(self) -> bool:
        share = self._share_done()
        return not (self._is_evaluation_due(share) or self._is_sample_due(share))

    def _share_done(self) -> float:
        """The share of all steps that is done; of the time, while it has not been turned into steps yet."""
        if self.progress.total is None:
            return min(1.0, self._clock.elapsed / self._limit)
        return self.progress.step / self.progress.total

    @property
    def _limit(self) -> float:
        """The time limit in seconds; infinite without one."""
        return math.inf if self.config.minutes is None else 60 * self.config.minutes

    @property
    def _ended(self) -> bool:
        is_over_time = self._is_limited and self._clock.elapsed > _OVERTIME * self._limit
        return self.progress.step == self.progress.total or is_over_time

    def _knows_speed(self) -> bool:
        return self._clock.steps >= _TIMED_STEPS and self._clock.elapsed >= _TIMED_SHARE * self._limit

    def _plan(self) -> Planned:
        """Turn the time limit into a number of steps, and into as many evaluations as it can bear."""
        progress, cost = self.progress, self._clock.seconds_per_evaluation
        bearable = int(_EVALUATED_SHARE * self._limit / max(cost, 1e-9))
        progress.evaluations = max(1, min(progress.evaluations, bearable)) if progress.evaluations else 0
        reading = cost * min(progress.evaluations, bearable)  # what it cannot bear even once, follows after the time
        left = _PLANNED_SHARE * self._limit - self._clock.elapsed - reading
        progress.total = progress.step + max(1, int(left / self._clock.seconds_per_step))
        return Planned(progress.total)


_ROUNDING = 1e-9  # 0.1 + 0.2 has reached 0.3


class _Clock:
    """The time spent training, and the typical time of a step, in seconds."""

    def __init__(self) -> None:
        self.seconds_per_evaluation = 0.0
        self.steps = 0
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
        return self._spent + (0.0 if self._started is None else time.monotonic() - self._started)

    @property
    def seconds_per_step(self) -> float:
        return statistics.median(self._durations)

    def start_step(self) -> None:
        self._step_started = time.monotonic()

    def end_step(self) -> None:
        self.steps += 1
        self._durations.append(time.monotonic() - self._step_started)


def _of_the_optimizer(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "optimizer."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


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
