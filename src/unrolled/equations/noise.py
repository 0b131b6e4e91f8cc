"""Noise in a graph: what the graph is on average, and how it is added to a cell that has none. Draws no numbers.

Dropout and zoneout differ between training and evaluation. The graph says what training does, with noise leaves;
evaluation runs another graph, in which each leaf is the number that it is on average.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unrolled.equations import ops
from unrolled.equations.graph import Graph, Node
from unrolled.equations.operations import PER_SEQUENCE
from unrolled.equations.rewriting import Rewriting
from unrolled.equations.scope import answering
from unrolled.equations.symbol import Symbol
from unrolled.errors import CellError, did_you_mean

# The options that every cell has besides its own.
NOISE_OPTIONS = ("zoneout", "dropout")
_OPERANDS = ("input", "state")  # what products have to do with
_NOWHERE = -1  # the place of a number that nothing needs yet

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
}


def expectation(graph: Graph) -> Graph:
    """The graph with each noise leaf as its mean, and what follows from that worked out: dropout is gone altogether.

    Raises:
        GraphError: where noise is neither dropout nor zoneout, nothing with a width may be left.
    """
    averaging = _Averaging(graph)
    for node in graph.nodes:
        averaging.take(node)
    return averaging.written(graph.output, {state.name: state.after for state in graph.states})


def with_noise(graph: Graph, *, zoneout: object = None, dropout: object = None) -> Graph:
    """The graph with noise in training.

    Args:
        graph: any cell.
        zoneout: how probable it is that a unit of a state stays as it was: one number for all states, or
            {"h": 0.05, "c": 0.5}. The step itself reads what was computed; what is handed on, and what is given out
            where that is the state, is what has stayed or changed (Krueger et al. 2017).
        dropout: how probable it is that a unit is zero where a matrix multiplies it, the same ones at all steps (Gal &
            Ghahramani 2016): one number, or {"input": 0.2, "state": 0.3}: for the products of what comes from the input
            alone, and for those of what depends on a state. A value that several matrices multiply has one mask.

    Raises:
        CellError: no probability, or none such state.
    """
    states = _rates("zoneout", zoneout, [state.name for state in graph.states])
    adding = _Adding(graph, _rates("dropout", dropout, _OPERANDS))
    with answering(adding):
        for node in graph.nodes:
            adding.take(node)
        return adding.zoned_out(states)


def check_rates(states: Sequence[str], *, zoneout: object = None, dropout: object = None) -> None:
    """Check what is asked of `with_noise`, before there is a graph.

    Raises:
        CellError: no probability, or none such state.
    """
    _rates("zoneout", zoneout, states)
    _rates("dropout", dropout, _OPERANDS)


def _rates(word: str, given: Any, places: Sequence[str]) -> dict[str, float]:
    """The rate at each of the places: the same everywhere, or those that are named."""
    everywhere = 0.0 if given is None else given
    rates: dict[Any, Any] = dict(given) if isinstance(given, Mapping) else dict.fromkeys(places, everywhere)
    for place, rate in rates.items():
        if place not in places:
            raise CellError(
                f"{word} of {place!r}: give one number, or rates for {' and '.join(places)}."
                + did_you_mean(str(place), places)
            )
        if type(rate) not in (int, float) or not 0 <= rate < 1:
            raise CellError(
                f"{word}={given!r}: give a probability, at least 0 and below 1, or one each for {' and '.join(places)}"
            )
    return rates


class _Averaging(Rewriting):
    """The graph as it is on average. A number has a node only where something is still computed with it."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._numbers: dict[int, float] = {}

    def take(self, node: Node) -> None:
        """Copy a node, or put in its place what it is on average."""
        self.places.append(_NOWHERE)
        here = len(self.places) - 1
        values = [self._numbers.get(operand) for operand in node.operands]
        match node.operation, values:
            case "noise", _:
                self._numbers[here] = node.attributes["mean"]
            case "number", _:
                self._numbers[here] = node.attributes["value"]
            case (("add" | "subtract" | "multiply"), [float(a), float(b)]):
                self._numbers[here] = _ARITHMETIC[node.operation](a, b)
            case "multiply", [_, 1.0]:
                self.places[here] = self.places[node.operands[0]]
            case "multiply", [1.0, _]:
                self.places[here] = self.places[node.operands[1]]
            case _:
                self.places[here] = self.copied(node)

    def copied(self, node: Node) -> int:
        """The place of a node's copy, behind the numbers that it needs."""
        for operand in node.operands:
            if self.places[operand] == _NOWHERE:
                self.places[operand] = self.leaf("number", None, value=self._numbers[operand]).node
        return super().copied(node)


class _Adding(Rewriting):
    """The graph with noise."""

    def __init__(self, graph: Graph, rates: Mapping[str, float]) -> None:
        """`rates`: of the operands of products."""
        super().__init__(graph)
        self._rates = rates
        self._dropped: dict[int, int] = {}
        self._of_input = _depending(graph, {graph.input})
        self._of_state = _depending(graph, {state.before for state in graph.states})

    def take(self, node: Node) -> None:
        """Copy a node; a product multiplies what is left of its operand."""
        if node.operation == "linear":
            value, *arrays = node.operands
            operands = (self._left_of(value), *(self.places[place] for place in arrays))
            self.places.append(self.append(Node("linear", operands, node.width, node.attributes)).node)
        else:
            self.places.append(self.copied(node))

    def zoned_out(self, rates: Mapping[str, float]) -> Graph:
        """The graph with states that stay as they were, unit by unit."""
        graph, names = self.graph, dict(self.graph.names)
        output, after = graph.output, {state.name: state.after for state in graph.states}
        for state in graph.states:
            if not rates.get(state.name):
                continue
            new, old = self._symbol(state.after), self._symbol(state.before)
            self.places.append(ops.zoneout(new, old, rates[state.name]).node)
            place = len(self.places) - 1
            names[_earlier(state.name, names)] = state.after
            names[state.name] = after[state.name] = place
            if output == state.after:
                output = place
        return self.written(output, after, dict(sorted(names.items(), key=lambda item: item[1])))

    def _left_of(self, place: int) -> int:
        """What is left of a value, for a matrix to multiply."""
        kind = "state" if place in self._of_state else "input" if place in self._of_input else ""
        if place not in self._dropped:
            rate = self._rates.get(kind, 0.0)
            self._dropped[place] = ops.dropout(self._symbol(place), rate, per=PER_SEQUENCE).node
        return self._dropped[place]

    def _symbol(self, place: int) -> Symbol:
        node = self.places[place]
        return Symbol(self, node, self.nodes[node].width)


def _depending(graph: Graph, sources: set[int]) -> set[int]:
    """The places of what is computed from the sources, and these."""
    found = set(sources)
    for place, node in enumerate(graph.nodes):
        if found.intersection(node.operands):
            found.add(place)
    return found


def _earlier(state: str, names: Mapping[str, int]) -> str:
    """The name of what was the state until now: `h@1` where the function bound h once."""
    number = 1
    while f"{state}@{number}" in names:
        number += 1
    return f"{state}@{number}"
