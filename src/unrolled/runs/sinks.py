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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from unrolled.errors import ConfigError, did_you_mean
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
    with ExitStack() as open_sinks:
        threads = [open_sinks.enter_context(_running(name, warn)) for name in names]

        def listen(event: RunEvent) -> None:
            for hand in threads:
                hand(event)

        yield listen


@contextmanager
def _running(name: str, warn: Callable[[str], None]) -> Iterator[Listener]:
    """A sink at work in its thread. None in the queue: the end."""
    events: queue.Queue[RunEvent | None] = queue.Queue(_WAITING)
    thread = threading.Thread(target=_work, args=(name, events, warn), daemon=True, name=f"log to {name}")
    thread.start()

    def hand(event: RunEvent) -> None:
        if isinstance(event, Prepared | Stepped | Evaluated):
            with contextlib.suppress(queue.Full):
                events.put_nowait(event)

    try:
        yield hand
    finally:
        with contextlib.suppress(queue.Full):
            events.put_nowait(None)
        thread.join(_PATIENCE)
        if thread.is_alive():
            warn(f"warning: {name} did not take everything in {_PATIENCE:.0f} seconds, and is left behind")


def _work(name: str, events: queue.Queue[RunEvent | None], warn: Callable[[str], None]) -> None:
    sink: Sink | None = None
    try:
        while (event := events.get()) is not None:
            if isinstance(event, Prepared):
                sink = _SINKS[name](event)
            elif sink is not None and isinstance(event, Stepped | Evaluated):
                for what, value in _numbers(event).items():
                    sink.write(what, value, event.step)
        if sink is not None:
            sink.close()
    except BaseException as error:
        warn(f"warning: logging to {name} failed and is off: {type(error).__name__}: {str(error)[:200]}")


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
