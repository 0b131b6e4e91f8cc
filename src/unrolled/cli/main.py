"""The way into the command `unrolled`, and the ways out of it: exit codes and messages. Knows no command."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unrolled.cli.signals import ended_by_signals
from unrolled.cli.terminal import complain
from unrolled.errors import UnrolledError


def entry() -> None:
    """The whole life of the process."""
    try:
        main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is Python's own end, which shows a traceback


def main() -> None:
    """Run the command. A user's mistake ends in one message and exit code 1, never in a traceback."""
    # A thread of torch that waits spins briefly and then sleeps (docs/decisions/0003-threads.md). torch's
    # library of threads reads this when it is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    _prepare_output()
    try:
        app = _loaded()
        with ended_by_signals():
            try:
                app()
            finally:
                sys.stdout.flush()  # here, where a full disk behind it can be told
    except UnrolledError as error:
        complain("error", error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # whoever read our output has stopped reading
        _give_up_output()
        sys.exit(128 + signal.SIGPIPE)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "can't allocate memory" not in str(error):
            raise
        complain("error", "there is not enough memory: give a smaller --hidden-size, --batch-size or --seq-length")
        sys.exit(1)
    except OSError as error:
        _give_up_output()
        what = f"{str(error.filename)!r} cannot be used" if error.filename else "the output cannot be written"
        complain("error", f"{what}: {error.strerror}")
        sys.exit(1)


def _prepare_output() -> None:
    """Both streams are open, and print any character."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (until the process ends)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark


def _loaded() -> Callable[[], None]:
    """The command, with the libraries that it needs.

    Raises:
        UnrolledError: they cannot be loaded.
    """
    try:
        Path.cwd()  # (torch ends the process without a word where there is none)
    except FileNotFoundError:
        raise UnrolledError("the current folder does not exist any more: go to another one") from None
    try:
        with _uninterrupted():
            from unrolled.cli.commands import app
    except ImportError as error:
        raise UnrolledError(f"a library cannot be loaded: {error}") from error
    return app


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the block ends: torch aborts the process when it is interrupted while it is loaded."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _give_up_output() -> None:
    """Let what is still to be printed vanish, so that Python does not stumble over it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    entry()
