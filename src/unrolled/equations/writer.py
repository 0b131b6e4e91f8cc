"""Writing the nodes of a graph: each operation on symbols adds one. Knows widths; no functions and no names."""

from __future__ import annotations

import math
from typing import Any

from unrolled.equations.graph import Node
from unrolled.equations.operations import check_conditions, width_of
from unrolled.equations.symbol import Symbol
from unrolled.equations.width import H, Width
from unrolled.errors import EquationError


class Writer:
    """Answers each operation with a new symbol, and keeps its node."""

    hidden = H

    def __init__(self, noise: int = 0) -> None:
        """`noise`: how many noise leaves there are already."""
        self.nodes: list[Node] = []
        self._noise = noise

    def width(self, value: Any) -> Width | None:
        """How wide a value is; None for a plain number."""
        return None if is_number(value) else self.symbol("the language", value).width

    def apply(self, operation: str, *operands: Any, **attributes: Any) -> Symbol:
        """The symbol of an operation's result."""
        symbols = [self.symbol(operation, operand) for operand in operands]
        check_conditions(operation, [self.nodes[symbol.node].operation for symbol in symbols])
        width = width_of(operation, [symbol.width for symbol in symbols], attributes)
        return self.append(Node(operation, tuple(symbol.node for symbol in symbols), width, attributes))

    def noise(self, width: Width, probability: float, mean: float, per: str) -> Symbol:
        """The symbol of a new noise leaf."""
        slot, self._noise = self._noise, self._noise + 1
        return self.leaf("noise", width, slot=slot, probability=probability, mean=mean, per=per)

    def leaf(self, operation: str, width: Width | None, **attributes: Any) -> Symbol:
        """The symbol of a value that is given, not computed."""
        return self.append(Node(operation, (), width, attributes))

    def symbol(self, operation: str, operand: Any) -> Symbol:
        """An operand as a symbol: plain numbers become leaves, all else is refused."""
        if is_number(operand):
            if not math.isfinite(operand):
                raise EquationError(f"{operation} was given {operand!r}: constants are finite numbers")
            return self.leaf("number", None, value=float(operand))
        if isinstance(operand, Symbol):
            if operand.owner is not self:
                raise EquationError(f"{operation} was given a value of another cell, kept from an earlier call")
            return operand
        raise EquationError(f"{operation} was given {in_words(operand)}")

    def append(self, node: Node) -> Symbol:
        """The symbol of a node, once it stands behind the others."""
        self.nodes.append(node)
        return Symbol(self, len(self.nodes) - 1, node.width)


def is_number(operand: Any) -> bool:
    """A plain number; not a bool, and not one of numpy's."""
    return type(operand) in (int, float)


def in_words(operand: Any) -> str:
    """What was given in the place of a value, and what to write instead."""
    kind = type(operand)
    library = kind.__module__.partition(".")[0]
    if library == "torch":
        return "a torch tensor, which is no value of the cell: a learned array is weight(), a matrix linear(value)"
    if library == "numpy":
        return "a numpy value, which is no value of the cell: write a plain number, or weight() for a learned array"
    if kind is tuple:
        return f"a tuple of {len(operand)} values: affine(..., parts=n) and split give one; unpack it"
    return f"{operand!r}, which is no value of the cell"
