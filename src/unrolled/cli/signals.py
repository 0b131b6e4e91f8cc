"""Signals that ask a command to stop. Knows the process, no command."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType, TracebackType

_ASKS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


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
        self._before: dict[int, object] = {}

    def begin(self) -> None:
        """There is work to save from here on."""
        self._has_begun = True

    def __call__(self) -> bool:
        """Whether the work should stop."""
        return self.received is not None

    def __enter__(self) -> StopSignals:
        with contextlib.suppress(ValueError):  # not the main thread: nobody sends it signals
            heard = [number for number in _ASKS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is not None or not self._has_begun:
            self.received = number
            raise Stopped(number)
        self.received = number
