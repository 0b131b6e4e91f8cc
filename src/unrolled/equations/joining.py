"""A graph made of others: cells that stand in the equation of something larger. Knows widths; no sizes, no values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unrolled.equations.graph import Graph, Node, Parameter, State, check
from unrolled.equations.initial import DEFAULT
from unrolled.equations.symbol import Symbol
from unrolled.equations.width import Width
from unrolled.equations.writer import Writer
from unrolled.errors import EquationError

_WIDE = ("columns", "start", "width")  # attributes that are widths, as text

# in the place of the input, for each slot of a matrix that multiplies it: what another matrix multiplies there, and
# what is added to that product
Products = Mapping[int, tuple[Symbol, Symbol]]


class Joining(Writer):
    """A graph in the making. Its parameters stand in the order in which they are asked for, whatever part needs them.

    Their values come from outside: the initial ones say nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parameters: list[Parameter] = []
        self._states: dict[str, tuple[Symbol, Symbol]] = {}

    def state(self, name: str, width: Width) -> Symbol:
        """A state as a step begins. As long as nobody says what it is after the step, it stays as it is."""
        value = self.leaf("state", width, name=name)
        self._states[name] = value, value
        return value

    def becomes(self, name: str, value: Symbol) -> None:
        """What a state is after the step."""
        self._states[name] = self._states[name][0], value

    def parameter(self, kind: str, rows: Width, columns: Width | None = None) -> Symbol:
        """The next parameter: a "weight", a "bias" or a "gain"."""
        slot = len(self._parameters)
        self._parameters.append(Parameter(f"{kind}_{slot}", rows, columns, (DEFAULT,)))
        return self.leaf("parameter", rows, slot=slot)

    def linear(self, value: Symbol, rows: Width) -> Symbol:
        """A matrix of so many rows times a value, and a bias: the next two parameters."""
        arrays = self.parameter("weight", rows, value.width), self.parameter("bias", rows)
        return self.apply("linear", value, *arrays, columns=str(value.width))

    def joined(self, graph: Graph, x: Symbol | Products, width: Width, name: str) -> Symbol:
        """The output of a cell, which stands in this graph from here on; its states are called `NAME_h`.

        Its parameters are the next ones, in the order of its slots.

        Args:
            graph: of the cell.
            x: its input; or, if it does nothing but multiply it (see `products_of_input`), what stands in its place.
            width: of its input, D.
            name: of the cell in this graph.

        Raises:
            EquationError: the cell has noise.
        """
        if graph.noise:
            raise EquationError(f"{graph.cell} has noise, and cannot be a part of another graph")
        return _Part(self, graph, x, width, name).output()

    def written(self, name: str, output: Symbol) -> Graph:
        """The whole, which gives out that at each step."""
        states = []
        for one, (before, after) in self._states.items():
            assert before.width is not None
            states.append(State(one, before.width, before.node, after.node))
        made = Graph(
            version=1,
            cell=name,
            nodes=tuple(self.nodes),
            parameters=tuple(self._parameters),
            input=next(place for place, node in enumerate(self.nodes) if node.operation == "input"),
            states=tuple(states),
            output=output.node,
            names={},
        )
        check(made)
        return made


class _Part:
    """A cell on its way into a larger graph, where its D is some width."""

    def __init__(self, whole: Joining, graph: Graph, x: Symbol | Products, width: Width, name: str) -> None:
        self._whole, self._graph, self._name = whole, graph, name
        self._x = x if isinstance(x, Symbol) else None
        self._products: Products = {} if isinstance(x, Symbol) else x
        self._input_width = width

    def output(self) -> Symbol:
        slots = [self._parameter(slot) for slot in range(len(self._graph.parameters))]
        places: list[Symbol | None] = []
        for node in self._graph.nodes:
            places.append(self._x if node.operation == "input" else self._copied(node, places, slots))
        for one in self._graph.states:
            self._whole.becomes(self._state(one.name), _there(places[one.after]))
        return _there(places[self._graph.output])

    def _parameter(self, slot: int) -> Symbol:
        one = self._graph.parameters[slot]
        columns = None if one.columns is None else within(one.columns, self._input_width)
        if slot in self._products:
            columns = self._products[slot][0].width
        return self._whole.parameter(one.name.partition("_")[0], within(one.rows, self._input_width), columns)

    def _copied(self, node: Node, places: list[Symbol | None], slots: list[Symbol]) -> Symbol:
        if node.operation == "parameter":
            slot: int = node.attributes["slot"]
            return slots[slot]
        if node.operation == "state":
            assert node.width is not None
            return self._whole.state(self._state(node.attributes["name"]), within(node.width, self._input_width))
        if self._products and self._graph.input in node.operands:
            value, added = self._products[self._graph.nodes[node.operands[1]].attributes["slot"]]
            arrays = [places[one] for one in node.operands[1:]]
            product = self._whole.apply("linear", value, *arrays, columns=str(value.width))
            return product + added
        operands = tuple(_there(places[one]).node for one in node.operands)
        width = None if node.width is None else within(node.width, self._input_width)
        return self._whole.append(Node(node.operation, operands, width, self._attributes(node)))

    def _state(self, name: str) -> str:
        return f"{self._name}_{name}"

    def _attributes(self, node: Node) -> dict[str, Any]:
        wide = {name: Width.parse(node.attributes[name]) for name in _WIDE if name in node.attributes}
        return {**node.attributes, **{name: str(within(one, self._input_width)) for name, one in wide.items()}}


def within(width: Width, input_width: Width) -> Width:
    """A width of a cell, where its input is so wide."""
    return Width(hidden=width.hidden, units=width.units) + input_width * width.input


def products_of_input(graph: Graph) -> list[int]:
    """The slots of the matrices that multiply a cell's input, each once; empty if it is used for anything else, too."""
    uses = [node for node in graph.nodes if graph.input in node.operands]
    if any(node.operation != "linear" or node.operands[0] != graph.input for node in uses):
        return []
    matrices = [node.operands[1] for node in graph.nodes if node.operation == "linear"]
    slots = [graph.nodes[one].attributes["slot"] for one in matrices]
    found = [graph.nodes[node.operands[1]].attributes["slot"] for node in uses]
    return found if all(slots.count(slot) == 1 for slot in found) else []


def _there(symbol: Symbol | None) -> Symbol:
    assert symbol is not None, "an input that is only multiplied stands nowhere"
    return symbol
