"""Somebody who looks on while layers run, or puts another layer in their place. Knows stacks, nobody's purposes.

The layers know nothing of who looks at them: whoever does (`unrolled.inspection`) says here how the stack of a module
is to be changed before it runs, for as long as a block lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from unrolled.engine import Blocks
from unrolled.layers.stack import Stack


class Watchable:
    """A module that runs a stack, and asks `as_watched` what to run in its place."""

    def stack(self) -> Stack:
        """What runs: the layers from the first to the last, each with its directions."""
        raise NotImplementedError


Change = Callable[[Stack], Stack]
_changes = Blocks[Mapping[Watchable, Change]]("unrolled.layers.watching")


def watching(changes: Mapping[Watchable, Change]) -> AbstractContextManager[None]:
    """Within the block, what each change makes of a module's stack runs in its place; an inner block's comes last.

    In this thread only.
    """
    return _changes.saying(changes)


def is_watched(*modules: Watchable) -> bool:
    """Whether something else is to run in the place of one of these."""
    return any(module in changes for changes in _changes.open() for module in modules)


def as_watched(module: Watchable, stack: Stack) -> Stack:
    """What runs in the place of a module's stack."""
    for changes in _changes.open():
        if module in changes:
            stack = changes[module](stack)
    return stack
