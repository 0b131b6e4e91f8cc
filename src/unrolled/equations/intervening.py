"""A cell in which named values are changed on their way. Knows the kinds of changes; by how much, others say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from unrolled.equations.graph import Graph, Parameter
from unrolled.equations.initial import Initial
from unrolled.equations.operations import COMPARISONS, PER_STEP
from unrolled.equations.rewriting import Rewriting
from unrolled.equations.symbol import Symbol
from unrolled.errors import EquationError

Make = Callable[[str], Symbol]  # a new leaf for an array of that name


@dataclass(frozen=True)
class Array:
    """What a change reads, as wide as the named value: its "scale", "shift", "mask" or "value"; `change`: which one."""

    name: str
    kind: str
    change: int


def _set(writer: Rewriting, old: Symbol, leaf: Make) -> Symbol:
    """The value where the mask is above zero, else what was computed: also where that is no number."""
    return writer.apply("where", writer.apply("greater", leaf("mask"), 0.0), leaf("value"), old)


# For each kind of change: the new symbol from the old one.
CHANGES: dict[str, Callable[[Rewriting, Symbol, Make], Symbol]] = {
    "scale": lambda writer, old, leaf: writer.apply("multiply", old, leaf("scale")),
    "shift": lambda writer, old, leaf: writer.apply("add", old, leaf("shift")),
    "set": _set,
}


def intervened(graph: Graph, changes: Sequence[tuple[str, str]], *, per_step: bool) -> tuple[Graph, list[Array]]:
    """The graph with changed values.

    Args:
        graph: any cell.
        changes: names of values and kinds of changes, those of `CHANGES`; of one value each changes what those before
            it made. Whatever is computed from the value, and the name itself, is what it was changed into.
        per_step: the arrays differ from step to step, `[T, B, width]`: leaves of noise, after the cell's own. Else they
            are vectors: parameters, after the cell's own.

    Returns:
        The graph, and the arrays in the order of the new leaves.

    Raises:
        EquationError: a name of something without a width, or of a comparison.
    """
    writing = _Intervening(graph, changes, per_step=per_step)
    for place in range(len(graph.nodes)):
        writing.take(place)
    return writing.written(graph.output, {one.name: one.after for one in graph.states}), writing.arrays


class _Intervening(Rewriting):
    def __init__(self, graph: Graph, changes: Sequence[tuple[str, str]], *, per_step: bool) -> None:
        super().__init__(graph)
        self.arrays: list[Array] = []
        self._changes = changes
        self._per_step = per_step
        for name, _ in changes:
            node = graph.nodes[graph.names[name]]
            if node.width is None or node.operation in COMPARISONS:
                raise EquationError(f"{name} is no value with a width: it cannot be changed")

    def take(self, place: int) -> None:
        """Copy a node, and write the changes of its value behind it."""
        node = self.graph.nodes[place]
        symbol = Symbol(self, self.copied(node), node.width)
        for number, (name, kind) in enumerate(self._changes):
            if self.graph.names[name] == place:
                symbol = CHANGES[kind](self, symbol, partial(self._leaf, place, name, number))
        self.places.append(symbol.node)

    def _leaf(self, place: int, name: str, number: int, kind: str) -> Symbol:
        self.arrays.append(Array(name, kind, number))
        width = self.graph.nodes[place].width
        assert width is not None
        if self._per_step:
            return self.noise(width, 1.0, 0.0, PER_STEP)
        slot = len(self.graph.parameters) + len(self.added)
        self.added.append(Parameter(f"weight_{kind}_{slot}", width, None, (Initial("constant", (0.0,)),)))
        return self.leaf("parameter", width, slot=slot)
