"""A tape: nodes that are still being added to, none of them twice, with what is constant worked out at once.

Knows the operations of graphs and those that only derivatives have; runs nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from unrolled.equations.graph import Node
from unrolled.equations.operations import DERIVED, width_of
from unrolled.equations.width import Width

# What is worked out while the tape is written, where both operands are plain numbers.
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
}


class Tape:
    """Nodes, each computed from earlier ones."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Any, int] = {}
        self._vectors: list[bool] = []

    def is_vector(self, place: int) -> bool:
        """Whether a value is one for all rows and steps: it comes from parameters alone, or is a sum over them."""
        return self._vectors[place]

    def leaf(self, operation: str, width: Width | None, **attributes: Any) -> int:
        """The place of a value that is given."""
        return self._place(Node(operation, (), width, attributes))

    def number(self, value: float) -> int:
        """The place of a constant."""
        return self.leaf("number", None, value=value)

    def apply(self, operation: str, *operands: int, wide: Width | None = None, **attributes: Any) -> int:
        """The place of an operation's result; of an equal one that is there already."""
        simple = self._simplified(operation, operands)
        if simple is not None:
            return simple
        return self._place(self._node(operation, operands, wide, attributes))

    def apart(self, operation: str, *operands: int, **attributes: Any) -> int:
        """The place of a result that stays a node of its own, whatever it is equal to."""
        return self._append(self._node(operation, operands, None, attributes), is_shared=False)

    def _node(self, operation: str, operands: tuple[int, ...], wide: Width | None, attributes: dict[str, Any]) -> Node:
        if operation not in DERIVED:
            wide = width_of(operation, [self.nodes[place].width for place in operands], attributes)
        elif wide is None:
            wide = self.nodes[operands[0]].width
        return Node(operation, operands, wide, attributes)

    def _simplified(self, operation: str, operands: tuple[int, ...]) -> int | None:
        """A value that is there already, or a plain number, in the place of a new node."""
        values = [self._value(place) for place in operands]
        match operation, values:
            case (("add" | "subtract" | "multiply"), [float(a), float(b)]):
                return self.number(_ARITHMETIC[operation](a, b))
            case "multiply", [_, 1.0]:
                return operands[0]
            case "multiply", [1.0, _]:
                return operands[1]
            case "divide", [_, 1.0]:
                return operands[0]
            case "power", [_, 1.0]:
                return operands[0]
            case "power", [_, 2.0]:
                return self.apply("multiply", operands[0], operands[0])
            case "negative", [None] if self.nodes[operands[0]].operation == "negative":
                return self.nodes[operands[0]].operands[0]
        return None

    def _value(self, place: int) -> float | None:
        node = self.nodes[place]
        return float(node.attributes["value"]) if node.operation == "number" else None

    def _place(self, node: Node) -> int:
        known = self._known.get(_key(node))
        return self._append(node) if known is None else known

    def _append(self, node: Node, *, is_shared: bool = True) -> int:
        place = len(self.nodes)
        self.nodes.append(node)
        if is_shared:
            self._known.setdefault(_key(node), place)
        self._vectors.append(self._is_vector(node))
        return place

    def _is_vector(self, node: Node) -> bool:
        if node.operation in ("parameter", "number", "column_sum", "outer"):
            return True
        if node.operation == "given":
            return bool(node.attributes["vector"])
        return bool(node.operands) and all(self._vectors[place] for place in node.operands)


def _key(node: Node) -> Any:
    return node.operation, node.operands, str(node.width), tuple(sorted(node.attributes.items()))
