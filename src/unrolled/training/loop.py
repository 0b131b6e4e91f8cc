"""The training loop, to be read from top to bottom. It emits events and prints nothing.

Truncated backpropagation through time: each chunk goes on from the states in which the chunk before left every
stream, and gradients stop between them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator

from unrolled.data import Ids, Streams
from unrolled.engine import State
from unrolled.errors import TrainingError
from unrolled.models import LanguageModel
from unrolled.training.config import TrainingConfig
from unrolled.training.evaluation import chunk_loss, evaluate
from unrolled.training.events import Evaluated, Event, Finished, Planned, SampleDue, Stepped
from unrolled.training.optim import clip_gradients, make_optimizer, rate_at

_TIMED_SHARE = 0.05  # of a time limit passes before it becomes a number of steps
_TIMED_STEPS = 20  # the last steps that were timed: their median is the time of a step
_PLANNED_SHARE = 0.97  # of the time limit; the rest covers what was estimated too low
_EVALUATED_SHARE = 0.2  # of the time limit at most is spent on evaluations
_OVERTIME = 1.1  # times the limit: training stops, whatever was planned
_EXPLODED = 3.0  # times the first loss


class Trainer:
    """A model in training: what changes from step to step, and the loop that changes it."""

    def __init__(self, model: LanguageModel, train: Ids, held_out: Ids, config: TrainingConfig) -> None:
        self.model = model
        self.config = config
        self.held_out = held_out
        self.streams = Streams(train, config.batch_size, config.seq_length)
        self.optimizer = make_optimizer(config, model.parameters())
        self.state: State | None = None
        self.step = 0
        self.total = _fixed_steps(config, self.streams.chunks)
        self.evaluations = config.evaluations
        self.first_loss: float | None = None
        self._clock = _Clock()
        self._evaluated_at = -1

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train until all steps are done, the time is over, or `should_stop()`; again, to go on after a stop.

        Under a time limit the held-out text is read once before the time begins, to learn how long that takes.

        Raises:
            TrainingError: the loss or the gradient is not a number, or the loss exploded. The weights are those
                before the step that failed.
        """
        if self.step == 0:
            yield from self._look_before(should_stop)
        self._clock.start()
        if self.total is not None:
            yield Planned(self.total)
        while self.step != self.total and not self._is_over_time():
            if should_stop():
                yield Finished(self.step, "interrupted", self._clock.elapsed)
                return
            before = self._progress()
            yield self._update()
            if self.total is None and self._knows_speed():
                self._plan()
                yield Planned(self.total or 0)
            if _is_between(before, self._progress(), _even(self.evaluations)):
                yield from self._evaluate(should_stop)
            if _is_between(before, self._progress(), _early(self.config.samples)):
                yield SampleDue(self.step)
        if self._evaluated_at != self.step:
            yield from self._evaluate(should_stop)
        yield Finished(self.step, "done" if self.step == self.total else "time", self._clock.elapsed)

    def _look_before(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        """What the model says before it has learned anything."""
        if self.config.samples > 1:
            yield SampleDue(0)
        if self.total is None:
            yield from self._evaluate(should_stop)

    def _update(self) -> Stepped:
        """One chunk: forward, loss, backward, clip, step."""
        self._clock.start_step()
        device = self.model.read_out.weight.device
        chunk = self.streams.chunk(self.step)
        rate = rate_at(self.step, self.total, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        before = None if chunk.is_first else self.state
        logits, after = self.model(chunk.ids.to(device), before)
        loss = chunk_loss(logits, chunk.targets.to(device))
        self.optimizer.zero_grad()
        (loss * self._steps_summed()).backward()  # type: ignore[no-untyped-call]
        norm = clip_gradients(self.model.parameters(), self.config)
        self._check(loss.item(), norm)
        self.optimizer.step()
        self.state = {name: value.detach() for name, value in after.items()}
        self.step += 1
        self._clock.end_step()
        speed = chunk.ids.numel() / self._clock.seconds_per_step
        return Stepped(self.step, loss.item(), norm, rate, speed, self._clock.elapsed)

    def _steps_summed(self) -> int:
        """What turns the mean over a chunk's steps into the sum that clipping and the optimiser may ask for."""
        return self.config.seq_length if self.config.over_time == "sum" else 1

    def _check(self, loss: float, norm: float) -> None:
        self.first_loss = loss if self.first_loss is None else self.first_loss
        advice = "Try a smaller --learning-rate, or a smaller --grad-clip; 'unrolled cells' shows the cell"
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "the loss" if not math.isfinite(loss) else "the gradient"
            raise TrainingError(f"training stopped in step {self.step + 1}: {what} is not a finite number. {advice}")
        if loss > _EXPLODED * self.first_loss:
            raise TrainingError(
                f"training stopped in step {self.step + 1}: the loss exploded, from {self.first_loss:.2f} to"
                f" {loss:.2f} nats per token. {advice}"
            )

    def _evaluate(self, should_stop: Callable[[], bool]) -> Iterator[Evaluated]:
        """Read the held-out text, if nobody says stop meanwhile."""
        started = time.monotonic()
        loss = evaluate(self.model, self.held_out, should_stop)
        if loss is not None:
            self._evaluated_at = self.step
            self._clock.seconds_per_evaluation = time.monotonic() - started
            yield Evaluated(self.step, loss, self._clock.elapsed)

    def _progress(self) -> float:
        """The share of all steps that is done; of the time, while it has not been turned into steps yet."""
        return self.step / self.total if self.total is not None else self._clock.elapsed / self._limit

    @property
    def _limit(self) -> float:
        """The time limit in seconds; infinite without one."""
        return math.inf if self.config.minutes is None else 60 * self.config.minutes

    def _is_over_time(self) -> bool:
        return self._clock.elapsed > _OVERTIME * self._limit

    def _knows_speed(self) -> bool:
        return self._clock.steps >= _TIMED_STEPS and self._clock.elapsed >= _TIMED_SHARE * self._limit

    def _plan(self) -> None:
        """Turn the time limit into a number of steps, and into as many evaluations as it can bear."""
        cost = self._clock.seconds_per_evaluation
        bearable = int(_EVALUATED_SHARE * self._limit / max(cost, 1e-9))
        self.evaluations = max(1, min(self.config.evaluations, bearable))
        reading = cost * min(self.evaluations, bearable)  # what it cannot bear even once, follows after the time
        left = _PLANNED_SHARE * self._limit - self._clock.elapsed - reading
        self.total = self.step + max(1, int(left / self._clock.seconds_per_step))


class _Clock:
    """The time spent training, and the typical time of a step, in seconds."""

    def __init__(self) -> None:
        self.seconds_per_evaluation = 0.0
        self.steps = 0
        self._spent = 0.0
        self._started: float | None = None
        self._step_started = 0.0
        self._durations: deque[float] = deque(maxlen=_TIMED_STEPS)

    def start(self) -> None:
        """Go on counting."""
        self._spent = self.elapsed
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


def _is_between(before: float, now: float, shares: list[float]) -> bool:
    """Whether one of the shares of the way has just been reached."""
    return any(before < share <= now for share in shares)


def _fixed_steps(config: TrainingConfig, chunks: int) -> int | None:
    """The number of steps, where it is known from the start; None under a time limit."""
    if config.steps is not None:
        return config.steps
    if config.epochs is not None:
        return math.ceil(config.epochs * chunks)
    return None


def _even(count: int) -> list[float]:
    """So many shares, evenly apart, the last one 1."""
    return [(place + 1) / count for place in range(count)]


def _early(count: int) -> list[float]:
    """Shares that lie close at first, where text grows fastest: ..., 0.1, 0.32, 1; one of `count` is at step 0."""
    return [10 ** (-place / 2) for place in range(max(1, count - 1))] if count else []
