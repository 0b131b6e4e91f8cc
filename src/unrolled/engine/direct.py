"""The direct way: a cell's own function called on tensors. The oracle of the tests, and nothing else uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from unrolled.engine.table import function_of
from unrolled.equations import Cell, Width
from unrolled.equations.scope import answering


class _Direct:
    """Answers each operation with a tensor, and each parameter with the next one of a list."""

    def __init__(self, parameters: Sequence[Tensor], hidden_size: int, noise: Sequence[Tensor] = ()) -> None:
        self.parameters = iter(parameters)
        self.drawn = iter(noise)
        self.hidden = Width(units=hidden_size)

    def width(self, value: Any) -> Width | None:
        return Width(units=value.shape[-1]) if isinstance(value, Tensor) else None

    def apply(self, operation: str, *operands: Any, **attributes: Any) -> Any:
        return function_of(operation, attributes, lambda width: width.units)(*operands)

    def parameter(self, _: Any) -> Any:
        return next(self.parameters)

    def noise(self, *_: Any) -> Any:
        return next(self.drawn)


def direct_step(
    cell: Cell,
    x: Tensor,
    state: Mapping[str, Tensor],
    parameters: Sequence[Tensor],
    hidden_size: int,
    noise: Sequence[Tensor] = (),
) -> tuple[Tensor, dict[str, Tensor]]:
    """One step by calling the cell's function on tensors: the output and the new states.

    `noise`: what is drawn, in the order in which the function asks. The options that every cell has are not the
    function's, and are left out.
    """
    with answering(_Direct(parameters, hidden_size, noise)):
        answer = cell.function(x, *(state[name] for name in cell.states), **cell.own_options)
    values = list(answer) if isinstance(answer, tuple | list) else [answer]
    return values[0], dict(zip(cell.states, values[-len(cell.states) :], strict=True))
