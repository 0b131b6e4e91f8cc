"""A graph written anew from the nodes of another. Knows no reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unrolled.equations.graph import Graph, Node, Parameter, State, check
from unrolled.equations.symbol import Symbol
from unrolled.equations.writer import Writer


class Rewriting(Writer):
    """A graph in the making, from the nodes of another.

    `places` says where what stands for each of these is read; `begins` where the states are as the step begins, which
    may be read elsewhere.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(noise=len(graph.noise))
        self.graph = graph
        self.places: list[int] = []
        self.begins: dict[str, int] = {}
        self.added: list[Parameter] = []

    def parameter(self, _: Any) -> Symbol:
        """Nobody asks for one."""
        raise AssertionError("no word that asks for a parameter is used here")

    def copied(self, node: Node) -> int:
        """The place of a node's copy."""
        operands = tuple(self.places[operand] for operand in node.operands)
        place = self.append(Node(node.operation, operands, node.width, node.attributes)).node
        if node.operation == "state":
            self.begins[node.attributes["name"]] = place
        return place

    def written(self, output: int, after: Mapping[str, int], names: Mapping[str, int] | None = None) -> Graph:
        """The whole; the arguments, and the names that are new, are places of the graph that it was made from."""
        graph = self.graph
        made = Graph(
            version=1,
            cell=graph.cell,
            nodes=tuple(self.nodes),
            parameters=(*graph.parameters, *self.added),
            input=next(place for place, node in enumerate(self.nodes) if node.operation == "input"),
            states=tuple(
                State(one.name, one.width, self.begins[one.name], self.places[after[one.name]]) for one in graph.states
            ),
            output=self.places[output],
            names={name: self.places[place] for name, place in (names or graph.names).items()},
        )
        check(made)
        return made
