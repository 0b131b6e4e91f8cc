"""The operations a graph may hold, and how wide their results are. Knows no values and no tensor library.

What an operation computes is said once, in `unrolled.engine.table`; what it is called in a cell, in `ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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


def _elementwise(operands: Sequence[Operand], _: Attributes) -> Operand:
    """All as wide as each other; plain numbers fit anything."""
    widths = [width for width in operands if width is not None]
    for width in widths:
        if width != widths[0]:
            raise EquationError(
                f"was given values {widths[0]} and {width} wide: they must be equally wide."
                " A matrix changes a width: linear(value)"
            )
    return widths[0] if widths else None


def _linear(operands: Sequence[Operand], attributes: Attributes) -> Operand:
    """A matrix (rows by columns), maybe a bias, times a value: as wide as the matrix has rows."""
    value, matrix = operands[0], operands[1]
    columns = Width.parse(attributes["columns"])
    if value is None or value != columns:
        raise EquationError(f"has a matrix for values {columns} wide, and was given one {value or 1} wide")
    if any(bias != matrix for bias in operands[2:]):
        raise EquationError(f"has a matrix {matrix} high and a bias {operands[2]} high")
    return matrix


def _part(operands: Sequence[Operand], attributes: Attributes) -> Operand:
    """A piece of a value, from `start`: it has to lie within the value."""
    start, width = Width.parse(attributes["start"]), Width.parse(attributes["width"])
    if operands[0] is None or not (start + width).fits_in(operands[0]):
        raise EquationError(f"cuts from {start} to {start + width} out of a value {operands[0] or 1} wide")
    return width


def _concat(operands: Sequence[Operand], _: Attributes) -> Operand:
    total = Width()
    for width in operands:
        if width is None:
            raise EquationError("was given a plain number: it has no width")
        total = total + width
    return total


Rule = Callable[[Sequence[Operand], Attributes], Operand]


@dataclass(frozen=True)
class Operation:
    """How many operands an operation takes, the rule for its width, and its attributes with their types."""

    counts: range
    rule: Rule = _elementwise
    attributes: Mapping[str, type] = field(default_factory=dict)


OPERATIONS: dict[str, Operation] = {
    **{name: Operation(range(1, 2)) for name in UNARY},
    **{name: Operation(range(2, 3)) for name in (*BINARY, *COMPARISONS)},
    "where": Operation(range(3, 4)),
    "linear": Operation(range(2, 4), _linear, {"columns": str}),
    "norm": Operation(range(3, 4), _elementwise, {"eps": float}),
    "part": Operation(range(1, 2), _part, {"start": str, "width": str}),
    "concat": Operation(range(1, 1000), _concat),
}

# What only derivatives have; they are made by `derivative`, and no stored graph holds them.
#
#     rows_where(mask, a, b)               a in the rows where the mask (a leaf, true or false for a row) holds, else b
#     linear_transposed(g, matrix)         g times the matrix, as wide as it has columns
#     outer(g, value)                      the sum over rows and steps of g times value: a matrix
#     column_sum(g)                        the sum over rows and steps: a vector
#     pad(g)                               g from `start` on, zeros before and behind it
#     sigmoid_gradient(g, y)               g y (1 - y), for y = sigmoid(a)
#     tanh_gradient(g, y)                  g (1 - y y), for y = tanh(a)
#     normalised(value)                    less its mean and divided by its deviation, over the units of each row
#     normalised_gradient(g, value)        the gradient of value, from that of normalised(value)
#     product(value, matrix, init)         linear, added to what init holds; the init may be missing
#     product_transposed(g, matrix, init)  linear_transposed, the same
DERIVED = (
    "rows_where", "linear_transposed", "outer", "column_sum", "pad", "sigmoid_gradient", "tanh_gradient", "normalised",
    "normalised_gradient", "product", "product_transposed",
)  # fmt: skip

# What stands in a graph without being computed, with its attributes.
LEAVES: dict[str, Mapping[str, type]] = {
    "input": {},
    "state": {"name": str},
    "parameter": {"slot": int},
    "number": {"value": float},
    "noise": {"slot": int, "probability": float, "mean": float, "per": str},
}

# How often noise is drawn: anew at every step, or once for all steps of a sequence.
PER_STEP, PER_SEQUENCE = "step", "sequence"


def check_conditions(name: str, operands: Sequence[str]) -> None:
    """Check where comparisons stand: `where` takes one first, nothing else takes one. `operands` are operations.

    Raises:
        EquationError: a comparison in the place of a number, or a number in the place of a comparison.
    """
    for place, operand in enumerate(operands):
        wanted = name == "where" and place == 0
        if wanted and operand not in COMPARISONS:
            raise EquationError("where needs a comparison first: where(x > 0, a, b)")
        if not wanted and operand in COMPARISONS:
            raise EquationError(f"{name} was given a comparison: it has no number. Use where(condition, 1.0, 0.0)")


def width_of(name: str, operands: Sequence[Operand], attributes: Attributes) -> Operand:
    """How wide the result of an operation is.

    Raises:
        EquationError: no such operation, another count of operands, or widths that do not fit.
    """
    if name not in OPERATIONS:
        raise EquationError(f"there is no operation {name!r}")
    operation = OPERATIONS[name]
    if len(operands) not in operation.counts:
        raise EquationError(f"{name} takes {operation.counts.start} operands, not {len(operands)}")
    try:
        return operation.rule(operands, attributes)
    except EquationError as error:
        raise EquationError(f"{name} {error}") from None
