"""Where a training's numbers can go besides the run's folder: TensorBoard, W&B, trackio. None can stop a run.

Each works in a thread of its own. What fails is told once, and that sink is silent from then on; what is slow
loses events instead of slowing the training.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from unrolled.errors import ConfigError, described, did_you_mean
from unrolled.runs.events import Listener, Prepared, RunEvent
from unrolled.training import Evaluated, Stepped

_WAITING = 10_000  # events at most
_PATIENCE = 10.0  # seconds that a sink has at the end


class Sink(Protocol):
    """A place for numbers."""

    def write(self, name: str, value: float, step: int) -> None:
        """One number, after so many steps."""
        ...

    def close(self) -> None:
        """No more follow."""
        ...


@contextmanager
def logging_to(
    names: Sequence[str],
    warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr),  # noqa: T201
) -> Iterator[Listener]:
    """A listener that hands a training's numbers to the sinks of these names.

    Raises:
        ConfigError: there is no such sink, or its library is missing.
    """
    for name in names:
        _check(name)
    workers = [_Worker(name, warn) for name in dict.fromkeys(names)]

    def listen(event: RunEvent) -> None:
        if isinstance(event, Prepared | Stepped | Evaluated):
            for worker in workers:
                worker.hand(event)

    try:
        yield listen
    finally:
        for worker in workers:
            worker.hand(None)
        deadline = time.monotonic() + _PATIENCE
        for worker in workers:
            worker.wait(deadline)


class _Worker:
    """A sink at work in its thread. None in the queue: the end."""

    def __init__(self, name: str, warn: Callable[[str], None]) -> None:
        self.name = name
        self._warn = warn
        self._events: queue.Queue[RunEvent | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"log to {name}")
        self._thread.start()

    def hand(self, event: RunEvent | None) -> None:
        """An event for the sink, lost if too many are waiting."""
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(event)

    def wait(self, deadline: float) -> None:
        """Give the sink time to end, until `time.monotonic()` has reached the deadline."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._warn(f"warning: {self.name} did not take everything in {_PATIENCE:.0f} seconds, and is left behind")

    def _work(self) -> None:
        sink: Sink | None = None
        try:
            while (event := self._events.get()) is not None:
                if isinstance(event, Prepared):
                    sink = _SINKS[self.name](event)
                elif sink is not None and isinstance(event, Stepped | Evaluated):
                    for what, value in _numbers(event).items():
                        sink.write(what, value, event.step)
            if sink is not None:
                sink.close()
        except BaseException as error:
            self._warn(f"warning: logging to {self.name} failed and is off: {described(error)[:200]}")


def _numbers(event: Stepped | Evaluated) -> dict[str, float]:
    if isinstance(event, Evaluated):
        return {"held out/nats": event.loss}
    return {
        "train/nats": event.loss,
        "train/gradient norm": event.grad_norm,
        "train/learning rate": event.learning_rate,
        "train/tokens per second": event.tokens_per_second,
    }


class _TensorBoard:
    def __init__(self, run: Prepared) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(Path(run.path) / "tensorboard"))

    def write(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Logged:
    """W&B, and trackio, which has the same functions."""

    def __init__(self, library: str, run: Prepared) -> None:
        self._library: Any = importlib.import_module(library)
        self._library.init(project="unrolled", name=Path(run.path).name)

    def write(self, name: str, value: float, step: int) -> None:
        self._library.log({name: value}, step=step)

    def close(self) -> None:
        self._library.finish()


_SINKS: dict[str, Callable[[Prepared], Sink]] = {
    "tensorboard": _TensorBoard,
    "wandb": lambda run: _Logged("wandb", run),
    "trackio": lambda run: _Logged("trackio", run),
}


def _check(name: str) -> None:
    if name not in _SINKS:
        raise ConfigError(f"--log {name}: {', '.join(_SINKS)} are known.{did_you_mean(name, _SINKS)}")
    if importlib.util.find_spec(name) is None:
        raise ConfigError(f"--log {name} needs its library: pip install {name}")
