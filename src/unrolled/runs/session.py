"""One stretch of a run's training, from its start or from a checkpoint, to its end or until it is stopped.

Introduces training, the kind of work and the folder to each other: what is due is written, what happened is logged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from unrolled.errors import TrainingError
from unrolled.runs.checkpoints import Standing
from unrolled.runs.events import Listener, RunEvent, Sampled, Saved, named
from unrolled.runs.folder import Identity, RunFolder, writing
from unrolled.runs.machine import Machine
from unrolled.runs.tasks import Observer, ShouldStop
from unrolled.training import Evaluated, Event, Finished, SampleDue, Stepped, Task, Trainer


class Session:
    """A trainer at work in its folder. `best` is the number of the checkpoint that was best on what is held out."""

    def __init__(
        self,
        folder: RunFolder,
        identity: Identity,
        trainer: Trainer[Task],
        listen: Listener,
        observers: Sequence[Observer] = (),
        best: int | None = None,
    ) -> None:
        self.folder = folder
        self.identity = identity
        self.trainer = trainer
        self.listen = listen
        self.observers = observers
        self._best = best
        self._save_every = 60 * identity.config.save_minutes
        self._saved_at = time.monotonic()
        self._machine = Machine.here()

    def run(self, should_stop: ShouldStop) -> None:
        """Train, and save at every evaluation, every few minutes, at the end, and when it is told to stop.

        Raises:
            TrainingError: training cannot go on; what was saved before it failed is there.
            RunError: the disk refuses.
        """
        try:
            for event in self.trainer.run(should_stop):
                self._handle(event, should_stop)
        except TrainingError:
            # what the last steps did may be why; the weights before them are worth keeping only if they are sound
            if self.trainer.is_sound():
                self._save()
            raise

    def _handle(self, event: Event, should_stop: ShouldStop) -> None:
        if isinstance(event, Stepped | Evaluated | Finished):
            self._log(event)
        match event:
            case Finished():
                self._save()  # before it is said
                self._tell(event)
            case SampleDue():
                self._tell(event)
                self._write_sample(event.step, should_stop)
            case Evaluated():
                observed = self._observed(event.step)  # logged before any save: a resume does not do it again
                for one in (event, *observed):
                    self._tell(one)
                if 0 < event.step != self.trainer.progress.total:  # else it is saved when all is finished
                    self._save()
            case Stepped() if self._is_save_due():
                self._tell(event)
                self._save()
            case _:
                self._tell(event)

    def _log(self, event: RunEvent) -> None:
        self.folder.log(named(event) | {"time": time.time()})

    def _observed(self, step: int) -> list[RunEvent]:
        """What the observers have to say, logged."""
        found = [one.after(step) for one in self.observers]
        for one in found:
            self._log(one)
        return found

    def _tell(self, event: RunEvent) -> None:
        """Tell the listener; if it fails (a terminal that is gone, a full disk behind the output), save first."""
        try:
            self.listen(event)
        except Exception:
            if self.trainer.progress.step:
                self._save(say=False)
            raise

    def _write_sample(self, step: int, should_stop: ShouldStop) -> None:
        kind, config, about = self.identity.kind, self.identity.config, self.identity.about
        text = kind.show(config, about, self.trainer.task, step, should_stop)
        if text is not None:
            self.folder.write_sample(step, text)
            self._tell(Sampled(step, text, kind.shows))

    def _is_save_due(self) -> bool:
        return time.monotonic() - self._saved_at > self._save_every

    def _save(self, *, say: bool = True) -> None:
        progress = self.trainer.progress
        with writing(self.folder.path):
            checkpoints = self.folder.checkpoints
            if progress.best is not None and progress.best.step == progress.step:
                self._best = checkpoints.next_number()
            standing = Standing(
                progress=progress.model_copy(), machine=self._machine, best=self._best, metrics=self.folder.logged()
            )
            checkpoints.save(
                self.trainer.task.model.state_dict(), self.trainer.tensors(), standing, self.identity.config.keep
            )
        self._saved_at = time.monotonic()
        if say:
            self._tell(Saved(progress.step, str(self.folder.path)))
