"""What blocks (`with ...:`) say while they last, in whatever order they end. Knows nothing of what it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

Said = TypeVar("Said")


class _Block(Generic[Said]):
    """An open block; also who opened another context in it, a thread or a generator, sees when it is over."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.is_over = False


class Blocks(Generic[Said]):
    """The blocks of one kind that are open where the program is."""

    def __init__(self, name: str) -> None:
        self._blocks: ContextVar[tuple[_Block[Said], ...]] = ContextVar(name, default=())

    def open(self) -> list[Said]:
        """What the open blocks say, the outermost first."""
        return [block.said for block in self._blocks.get() if not block.is_over]

    @contextmanager
    def saying(self, said: Said) -> Iterator[None]:
        """A block that says it."""
        block = _Block(said)
        self._blocks.set((*self._blocks.get(), block))
        try:
            yield
        finally:
            # (no token is reset: a generator may end its block later, or in another thread, than it began)
            block.is_over = True
            self._blocks.set(tuple(one for one in self._blocks.get() if not one.is_over))
