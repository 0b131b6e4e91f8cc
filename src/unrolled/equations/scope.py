"""The scope: who answers when a cell's function says an operation. Knows no answer itself.

While a cell is traced the tracer answers, with symbols (`trace`); while the oracle of the tests calls a cell
directly, it answers with tensors (`unrolled.engine.direct`). `ops` is written once, over this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from unrolled.equations.initial import Initial
from unrolled.equations.width import Width
from unrolled.errors import EquationError

if TYPE_CHECKING:  # the answers of the tracer; the oracle of the tests answers with tensors instead
    from unrolled.equations.symbol import Symbol


class Scope(Protocol):
    """What both ways of running a cell's function can do."""

    hidden: Width

    def width(self, value: Any) -> Width | None:
        """How wide a value is; None for a plain number."""

    def apply(self, operation: str, *operands: Any, **attributes: Any) -> Symbol:
        """The result of an operation of the table on values, parameters and plain numbers."""

    def parameter(
        self,
        kind: str,
        rows: Width,
        columns: Width | None,
        initial: tuple[Initial, ...],
        *,
        operand: tuple[Any, int] | None = None,
        name: str | None = None,
    ) -> Symbol:
        """The next learned array, in the order of the calls.

        `operand` is the value that a matrix multiplies, with its place among the operands, where its name
        has to tell it from the matrices of other operands.
        """


_current: ContextVar[Scope | None] = ContextVar("unrolled.equations.scope", default=None)


def current(word: str) -> Scope:
    """The scope that answers now.

    Raises:
        EquationError: `word` is used outside a cell.
    """
    scope = _current.get()
    if scope is None:
        raise EquationError(
            f"{word} is a word of the equation language: it works inside a function marked @unrolled.cell,"
            " while Unrolled traces it"
        )
    return scope


@contextmanager
def answering(scope: Scope) -> Iterator[None]:
    """Let `scope` answer within the block, then whoever did before."""
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)
