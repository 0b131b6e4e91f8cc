"""The operations a graph may hold, and how wide their results are. Knows no values and no tensor library.

What an operation computes is said once, in `unrolled.engine.table`; what it is called in a cell, in `ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unrolled.equations.width import Width
from unrolled.errors import EquationError

# The width of an operand; None is a plain number, which is as wide as whatever it meets.
Operand = Width | None
Attributes = Mapping[str, Any]

UNARY = (
    "negative", "absolute", "exp", "log", "sqrt", "sin", "cos", "sigmoid", "tanh", "relu", "softplus",
)  # fmt: skip
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")
COMPARISONS = ("greater", "greater_equal", "less", "less_equal")


def _elementwise(name: str, operands: Sequence[Operand], attributes: Attributes) -> Operand:
    """All as wide as each other; plain numbers fit anything."""
    widths = [width for width in operands if width is not None]
    for width in widths:
        if width != widths[0]:
            raise EquationError(
                f"{name} was given values {widths[0]} and {width} wide: they must be equally wide."
                " A matrix changes a width: linear(value)"
            )
    return widths[0] if widths else None


def _linear(name: str, operands: Sequence[Operand], attributes: Attributes) -> Operand:
    """A matrix (rows by columns), maybe a bias, times a value: as wide as the matrix has rows."""
    value, matrix = operands[0], operands[1]
    columns = Width.parse(attributes["columns"])
    if value is None or value != columns:
        raise EquationError(f"{name} has a matrix for values {columns} wide, and was given one {value or 1} wide")
    return matrix


def _part(name: str, operands: Sequence[Operand], attributes: Attributes) -> Operand:
    return Width.parse(attributes["width"])


def _concat(name: str, operands: Sequence[Operand], attributes: Attributes) -> Operand:
    total = Width()
    for width in operands:
        if width is None:
            raise EquationError(f"{name} was given a plain number: it has no width")
        total = total + width
    return total


Rule = Callable[[str, Sequence[Operand], Attributes], Operand]

# name -> (how many operands, the rule for the width). The leaves, which have no operands, are in `graph`.
OPERATIONS: dict[str, tuple[range, Rule]] = {
    **{name: (range(1, 2), _elementwise) for name in UNARY},
    **{name: (range(2, 3), _elementwise) for name in (*BINARY, *COMPARISONS)},
    "where": (range(3, 4), _elementwise),
    "linear": (range(2, 4), _linear),
    "norm": (range(3, 4), _elementwise),
    "part": (range(1, 2), _part),
    "concat": (range(1, 1000), _concat),
}


def width_of(name: str, operands: Sequence[Operand], attributes: Attributes) -> Operand:
    """How wide the result of an operation is.

    Raises:
        EquationError: no such operation, another count of operands, or widths that do not fit.
    """
    if name not in OPERATIONS:
        raise EquationError(f"there is no operation {name!r}")
    counts, rule = OPERATIONS[name]
    if len(operands) not in counts:
        raise EquationError(f"{name} takes {counts.start} operands, not {len(operands)}")
    return rule(name, operands, attributes)
