"""Signals that ask a command to stop. Knows the process, no command."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any

_ASKS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


Handler = Callable[[int, FrameType | None], None]


class Stopped(KeyboardInterrupt):
    """A signal that ends the command at once."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class StopSignals:
    """Within the block, the first Ctrl-C, SIGTERM or hang-up is noted, so that the work can be saved.

    Before there is work to save (`begin`), and for the second one, the command ends at once. Signals that whoever
    started the command wanted ignored (nohup) stay so.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._has_begun = False
        self._before: dict[int, Any] = {}

    def begin(self) -> None:
        """There is work to save from here on."""
        self._has_begun = True

    def __call__(self) -> bool:
        """Whether the work should stop."""
        return self.received is not None

    def __enter__(self) -> StopSignals:
        self._before = _heard(_ASKS, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _restore(self._before)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is not None or not self._has_begun:
            self.received = number
            raise Stopped(number)
        self.received = number


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and a hang-up end the command as Ctrl-C does: what it has half written goes again.

    Left alone, they would end the process where it stands.

    Raises:
        SystemExit: such a signal came; its code says which.
    """
    received: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise Stopped(number)

    before = _heard([number for number in _ASKS if number != signal.SIGINT], end)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):  # (typer makes an exit code of its own of an interrupt)
        if received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        _restore(before)


def _heard(numbers: Iterable[int], handler: Handler) -> dict[int, Any]:
    """Let signals call this, but those that are ignored. Returns what they called before."""
    with contextlib.suppress(ValueError):  # not the main thread: nobody sends it signals
        heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        return {number: signal.signal(number, handler) for number in heard}
    return {}


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
