"""Disks that misbehave, to be put in the place of `files.system`: they count, fail, kill, or forget."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

from unrolled import files


class Disk:
    """The system's calls, each counted: `before(name, arguments)` may raise, `after(name, arguments, result)` look."""

    CALLS = frozenset(
        ["open", "read", "pread", "write", "fsync", "close", "fstat", "mkdir", "rename", "unlink", "rmdir", "listdir",
         "ftruncate"]
    )  # fmt: skip

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in self.CALLS:
            raise AttributeError(f"{name} is a call that the tests do not know")

        def call(*arguments):
            self.calls.append(name)
            self.before(name, arguments)
            result = real(*arguments)
            self.after(name, arguments, result)
            return result

        return call

    def before(self, name, arguments):
        pass

    def after(self, name, arguments, result):
        pass


class Failing(Disk):
    """The call of that number fails with that error (once)."""

    def __init__(self, number, error):
        super().__init__()
        self.number, self.error = number, error

    def before(self, name, arguments):
        if len(self.calls) == self.number:
            if name == "close":  # Linux closes the file all the same
                os.close(*arguments)
            raise OSError(self.error, os.strerror(self.error))


class Killing(Disk):
    """The process is killed at the call of that number: before it, after half of a write, or after it."""

    def __init__(self, number, moment):
        super().__init__()
        self.number, self.moment = number, moment

    def before(self, name, arguments):
        if len(self.calls) != self.number or self.moment == "after":
            return
        if self.moment == "half" and name == "write":
            handle, content = arguments
            os.write(handle, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    def after(self, name, arguments, result):
        if len(self.calls) == self.number:
            os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def using(disk):
    """Every file operation of the package goes through that disk within the block."""
    kept, files.system = files.system, disk
    try:
        yield disk
    finally:
        files.system = kept


def in_a_child(work):
    """Do the work in a forked process; returns its exit status as os.waitpid gives it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]
