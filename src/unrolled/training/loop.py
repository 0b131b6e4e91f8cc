"""The training loop, to be read from top to bottom. It emits events and prints nothing.

Truncated backpropagation through time: each chunk goes on from the states in which the chunk before left every
stream, and gradients stop between them. Everything that a step depends on is in `Progress` and `tensors()`: a
trainer that is given both goes on as if it had never stopped, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

import torch
from torch import Tensor

from unrolled.errors import TrainingError
from unrolled.rounding import rounded
from unrolled.training.agenda import Agenda
from unrolled.training.clock import Clock
from unrolled.training.config import TrainingConfig
from unrolled.training.events import Evaluated, Event, Finished, Planned, SampleDue, Stepped
from unrolled.training.guard import Guard
from unrolled.training.noise import noise
from unrolled.training.optim import Optimizer, clip_gradients, rate_at
from unrolled.training.progress import Best, Progress
from unrolled.training.task import StepLoss, Task

TaskType = TypeVar("TaskType", bound=Task)


class Trainer(Generic[TaskType]):
    """A task in training: what changes from step to step, and the loop that changes it."""

    def __init__(self, task: TaskType, config: TrainingConfig, rate: Callable[[int], float] | None = None) -> None:
        """`rate` gives the learning rate of each step, counted from 0, in place of the configuration's."""
        self.task = task
        self.config = config
        self.optimizer = Optimizer(config, task.model)
        self._clock = Clock()
        self._agenda = Agenda(config, self._clock, task.steps_per_epoch, has_held_out=task.has_held_out)
        self._rate = rate or self._planned_rate
        self._guard = Guard(task.model, self.optimizer)

    @property
    def progress(self) -> Progress:
        """Where training stands, as numbers."""
        return self._agenda.progress

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train until all steps are done, the time is over, or `should_stop()`; again, to go on after a stop.

        Under a time limit what is held out is measured once before the time begins, to learn how long that takes.

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
                reason = self._agenda.reason
                break
            if should_stop():
                reason = "interrupted"
                break
            yield self._update()
            if self._agenda.can_plan:
                yield Planned(self._agenda.plan())
        self.progress.elapsed = self._clock.elapsed
        yield Finished(self.progress.step, reason, self.progress.elapsed)

    def _update(self) -> Stepped:
        """One chunk: forward, loss, backward, clip, step."""
        self._clock.start_step()
        progress = self.progress
        rate = self._rate(progress.step)
        self._guard.remember()
        made, norm = self._gradients()
        loss = made.nats.item()
        try:
            self._check(made, loss, norm)
        except TrainingError:
            self._guard.restore()
            raise
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
        made = self._loss()
        self.optimizer.zero_grad()
        # the mean over a chunk's steps, or the sum that char-rnn's clipping and optimiser are meant for
        scale = made.steps if self.config.loss_reduction == "sum" else 1
        (made.minimised * scale).backward()  # type: ignore[no-untyped-call]
        return made, clip_gradients(self.task.model.parameters(), self.config)

    def _loss(self) -> StepLoss:
        """The loss of the next chunk: the same again, dropout included, however often it is asked for."""
        with self._noise(), self._precision():
            return self.task.loss(self.progress.step)

    def _noise(self) -> AbstractContextManager[None]:
        device = next(self.task.model.parameters()).device
        return noise(self.config.seed, "training", self.progress.step, device)

    def _precision(self) -> AbstractContextManager[None]:
        device = next(self.task.model.parameters()).device
        return torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    def _check(self, made: StepLoss, loss: float, norm: float) -> None:
        """Stop before the update if it would be made of numbers that are none, or of an exploded loss."""
        step = self.progress.step + 1
        clip = "a smaller --grad-clip" if self.config.grad_clip else "clip gradients, --grad-clip 1"
        advice = f"Try a smaller --learning-rate, or {clip}; 'unrolled cells' shows the cell"
        if not (math.isfinite(loss) and math.isfinite(norm) and self._guard.all_finite(made.after)):
            where = self._guard.where(self.task.carried, made, self._loss)
            raise TrainingError(f"training stopped in step {step}: {where}. {advice}")
        if self.progress.first_loss is None:
            self.progress.first_loss = loss
        most = self.config.max_loss_ratio * max(self.progress.first_loss, self.task.loss_of_guessing)
        if self.config.max_loss_ratio and loss > most:
            raise TrainingError(
                f"training stopped in step {step}: the loss exploded, from {rounded(self.progress.first_loss, 2)} to"
                f" {rounded(loss, 2)} nats. {advice}"
            )

    def _look(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        """What is due after this step and was not done yet: what is held out is measured, a sample written."""
        share = self._agenda.share_done
        if self._agenda.is_evaluation_due(share):
            yield from self._evaluate(should_stop)
        if self._agenda.is_sample_due(share):
            yield SampleDue(self.progress.step)
            if not should_stop():  # else the listener had to leave it
                self.progress.sampled_at = self.progress.step
        if not should_stop():
            self.progress.looked_until = max(share, self.progress.looked_until)  # (a new plan can put it back)

    def _evaluate(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        started = time.monotonic()
        with self._precision():
            found = self.task.evaluate(should_stop)
        if found is None:
            return
        progress, loss = self.progress, found.nats
        if not math.isfinite(loss):
            where = self._guard.where(self.task.carried)
            raise TrainingError(
                f"training stopped after step {progress.step}: the loss on what is held out is {loss}: {where}. Try a"
                " smaller --learning-rate"
            )
        progress.evaluated_at = progress.step
        if progress.step:
            here = Best(step=progress.step, loss=loss, score=found.score)
            is_better = progress.best is None or here.merit > progress.best.merit
            progress.best = here if is_better else progress.best
            progress.since_best = 0 if is_better else progress.since_best + 1
        self._clock.seconds_per_evaluation = time.monotonic() - started
        yield Evaluated(progress.step, loss, self._clock.elapsed, found.scores)

    def is_done(self) -> bool:
        """Whether all steps are made, and what was due after the last one is done."""
        share = self._agenda.share_done
        is_something_due = self._agenda.is_evaluation_due(share) or self._agenda.is_sample_due(share)
        return self._agenda.has_ended and not is_something_due

    def extend(self, total: int) -> None:
        """Train so many steps in all. The rate of each step to come is that of a training of `total` steps.

        Raises:
            ConfigError: so many steps are done already, or nobody can make so many.
        """
        self._agenda.extend(total)

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
        self._agenda.restore(progress)

    def expected(self) -> dict[str, Tensor]:
        """The names, types and shapes of `tensors()`, on no device."""
        return {name: value.to("meta") for name, value in self.tensors().items()}

    def misfit(self, progress: Progress, tensors: Mapping[str, Tensor]) -> str:
        """Why a training that stands there cannot consist of these tensors; empty if it can."""
        return self.optimizer.misfit(_of_the_optimizer(tensors), progress.step)


def _of_the_optimizer(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "optimizer."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
