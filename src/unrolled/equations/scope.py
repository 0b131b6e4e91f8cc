"""The scope: who answers when a cell's function says an operation. Knows no answer itself.

While a cell is traced the tracer answers, with symbols (`trace`); while the oracle of the tests calls a cell
directly, it answers with tensors (`unrolled.engine.direct`). `ops` is written once, over this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from unrolled.equations.initial import Initial
from unrolled.equations.symbol import Symbol
from unrolled.equations.width import Width
from unrolled.errors import EquationError


@dataclass(frozen=True)
class Wanted:
    """A learned array that a word asks for: `rows` by `columns`, or a vector where `columns` is None.

    `kind` is "weight", "bias" or "gain". `operand` is the value that a matrix multiplies, and `place` its place
    among the operands, where its name has to tell this array from those of other operands. `name` is what the
    user calls it, if he does.
    """

    kind: str
    rows: Width
    columns: Width | None
    initial: tuple[Initial, ...]
    operand: Any = None
    place: int = 0
    name: str | None = None


class Scope(Protocol):
    """What both ways of running a cell's function can do."""

    hidden: Width

    def width(self, value: Any) -> Width | None:
        """How wide a value is; None for a plain number."""

    def apply(self, operation: str, *operands: Any, **attributes: Any) -> Symbol:
        """The result of an operation of the table on values, parameters and plain numbers."""

    def parameter(self, wanted: Wanted) -> Symbol:
        """The next learned array, in the order of the calls."""

    def noise(self, width: Width, probability: float, mean: float, per: str) -> Symbol:
        """The next noise: `mean / probability` with that probability, else 0, drawn for every row and unit."""


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
