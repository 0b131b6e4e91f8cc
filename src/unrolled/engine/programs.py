"""What the engine runs, as tuples of numbers: the structures of native/unrolled.h. Knows no equations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from unrolled.engine.homes import Buffer, Home

OPERATIONS = (
    "copy", "negative", "absolute", "exp", "log", "sqrt", "sin", "cos", "sigmoid", "tanh", "relu", "softplus",
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "greater", "greater_equal", "less",
    "less_equal", "sigmoid_gradient", "tanh_gradient",
    "where", "rows_where", "multiply_add", "normalised", "normalised_gradient",
)  # fmt: skip
CODES = {name: code for code, name in enumerate(OPERATIONS)}


NOTHING, IN_REGISTER, IN_BUFFER, A_CONSTANT = range(4)  # kinds of operands


class Operand(NamedTuple):
    """Where an instruction finds a value; `number`: of the register, the buffer, or the constant."""

    kind: int = NOTHING
    number: int = 0
    column: int = 0


class Instruction(NamedTuple):
    """result = operation(operands) over `width` columns."""

    operation: int
    width: int
    result: Operand
    operands: tuple[Operand, ...]
    number: float


class Product(NamedTuple):
    """destination = init + value times a matrix; places are numbers of buffers and columns."""

    value: Home
    matrix: int
    destination: Home
    init: Home | None


class Matrix(NamedTuple):
    """A parameter that products multiply with; its columns are cut into `parts` for the threads."""

    slot: int
    rows: int
    columns: int
    transposed: bool
    parts: int


class Sum(NamedTuple):
    """destination = the sum over rows and steps of gradient times value; without a gradient, of value."""

    gradient: Home | None
    rows: int
    value: Home
    columns: int
    destination: Home


class Lookup(NamedTuple):
    """destination = the rows of a table that `ids` name; places are numbers of buffers."""

    ids: int
    table: int
    height: int
    destination: int
    width: int


class Choice(NamedTuple):
    """ids = symbols drawn by logits; places are numbers of buffers."""

    logits: int
    width: int
    numbers: int
    ids: int
    top_k: int
    temperature: float
    top_p: float


class StageKind(IntEnum):
    """The numbers are those of native/unrolled.h."""

    SEGMENT = 0
    PRODUCT = 1
    SUM = 2
    LOOKUP = 3
    CHOICE = 4


class Stage(NamedTuple):
    """Instructions from `first` on, `length` of them; or the product, the sum ... of that number.

    `sliced`: of a segment: how wide all its values are, if any range of units can be computed alone. `barrier`: where
    threads share the loop by units, all have to arrive before it begins.
    """

    kind: int
    phase: int
    first: int
    length: int = 0
    sliced: int = 0
    barrier: bool = False


@dataclass
class Program:
    """What the engine runs."""

    buffers: list[Buffer] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)
    registers: int = 1
    widest: int = 1
    in_place: set[int] = field(default_factory=set)  # buffers of carried values that need not be kept for all steps
    over: dict[int, int] = field(default_factory=dict)  # buffers, and kept ones that they may lie over: see `overlays`
    homes: dict[int, Home] = field(default_factory=dict)
    kept: dict[int, Home] = field(default_factory=dict)

    def constant(self, value: float) -> int:
        """The number of a constant."""
        if value not in self.constants:
            self.constants.append(value)
        return self.constants.index(value)

    def matrix(self, matrix: Matrix) -> int:
        """The number of a matrix."""
        if matrix not in self.matrices:
            self.matrices.append(matrix)
        return self.matrices.index(matrix)
