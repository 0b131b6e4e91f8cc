"""The equation of a layer, written into sheets node by node. Knows its sizes and parameters, and no loop."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from unrolled.equations import Node
from unrolled.equations.operations import COMPARISONS, LEAVES
from unrolled.exporting.operations import repeated, write_operation
from unrolled.exporting.sheet import Numbers, Sheet
from unrolled.layers.stack import Direction

Values = dict[int, str]  # the place of a node in its graph -> the name of its value on a sheet


class Equation:
    """What one layer computes in one direction, in evaluation: noise is its mean.

    `name`: how its values are called, "layer0." before each. `has_rows`: for each node, whether it differs from row to
    row; what comes from parameters alone does not.
    """

    def __init__(self, direction: Direction, name: str) -> None:
        program = direction.program.expected
        self.graph = program.graph
        self.parameters = [one.detach().cpu() for one in direction.parameters]
        self.sizes = (program.input_size, program.hidden_size)
        self.resolve = program.resolve
        self.name = name
        self._names = {place: f"{name}{called}" for called, place in self.graph.names.items()}
        self.has_rows = self._rows()

    def state_width(self, state: str) -> int:
        """How wide a state is, in units."""
        return next(self.resolve(one.width) for one in self.graph.states if one.name == state)

    def write(self, sheet: Sheet, places: Iterable[int], values: Values) -> None:
        """Write these nodes, in the order of the graph; `values` has what they need, and gets what they give."""
        for place in places:
            if self.graph.nodes[place].operation not in ("input", "state"):
                values[place] = self._written(sheet, place, values)

    def called(self, place: int) -> str:
        """What the cell calls a node's value, or how it comes about."""
        return self._names.get(place, f"{self.name}{self.graph.nodes[place].operation}")

    def _written(self, sheet: Sheet, place: int, values: Values) -> str:
        node = self.graph.nodes[place]
        if node.operation == "parameter":
            slot = node.attributes["slot"]
            return sheet.constant(
                _columns_first(self.parameters[slot]), f"{self.name}{self.graph.parameters[slot].name}"
            )
        if node.operation == "number":
            return sheet.number(node.attributes["value"])
        operands = [values[operand] for operand in node.operands]
        if node.operation == "concat":
            operands = self._with_rows(sheet, node, values)
        return write_operation(sheet, node.operation, operands, node.attributes, self.resolve, self.called(place))

    def _with_rows(self, sheet: Sheet, node: Node, values: Values) -> list[str]:
        """The operands of a concatenation, each for every row, if one of them is."""
        like = next((values[one] for one in node.operands if self.has_rows[one]), None)
        return [
            values[one] if like is None or self.has_rows[one] else repeated(sheet, values[one], self.width(one), like)
            for one in node.operands
        ]

    def width(self, place: int) -> int:
        """How wide a node's value is, in units."""
        width = self.graph.nodes[place].width
        assert width is not None, "what stands alone is no plain number"
        return self.resolve(width)

    def port(self, place: int) -> tuple[Numbers, tuple[int | str, ...]]:
        """What kind of numbers a node gives, and their shape, where it differs from row to row."""
        is_comparison = self.graph.nodes[place].operation in COMPARISONS
        return "bool" if is_comparison else "float32", ("B", self.width(place))

    def _rows(self) -> list[bool]:
        found: list[bool] = []
        for node in self.graph.nodes:
            is_leaf = node.operation in LEAVES
            found.append(node.operation in ("input", "state") if is_leaf else any(found[one] for one in node.operands))
        return found


def _columns_first(parameter: Tensor) -> Tensor:
    return parameter.T if parameter.dim() > 1 else parameter


def zeros(sheet: Sheet, rows: str, width: int) -> str:
    """Zeros `[B, width]`, where `rows` is a vector of one number, that of the rows."""
    return sheet.call("ConstantOfShape", sheet.call("Concat", rows, sheet.whole(width), axis=0))
