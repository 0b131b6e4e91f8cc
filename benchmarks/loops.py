"""A cell as the loop that a person writes in torch: what its eager time is measured on. Knows no engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.work import Sequential
from unrolled.engine import State
from unrolled.engine.direct import direct_step
from unrolled.engine.table import function_of
from unrolled.equations import Cell, Graph, Width
from unrolled.equations.operations import LEAVES
from unrolled.equations.schedule import AFTER, BEFORE, DURING, schedule

Call = tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]  # a function, its operands' places, its results'


def direct_loop(cell: Cell, hidden_size: int) -> Sequential:
    """The cell's own function, called on tensors at each step."""

    def run(x: Tensor, state: State, parameters: Sequence[Tensor]) -> tuple[Tensor, State]:
        outputs = []
        for now in x.unbind():
            output, state = direct_step(cell, now, state, parameters, hidden_size)
            outputs.append(output)
        return torch.stack(outputs), state

    return run


class HoistedLoop:
    """The same in plain calls of torch, with what a careful person takes out of the loop.

    What needs no state is computed for all steps at once, before; what feeds no state, after. A product in parts is cut
    once. Nothing in it stands in the way of torch.compile. `only_products`: before the loop stands only what the
    products there need.
    """

    def __init__(self, graph: Graph, input_size: int, hidden_size: int, *, only_products: bool = False) -> None:
        self.graph = graph
        self.when = _late(graph) if only_products else schedule(graph)
        self.calls = {when: self._calls(when, input_size, hidden_size) for when in (BEFORE, DURING, AFTER)}
        self.sequences = self._of_the_input()
        self.read = self._read_in_the_loop()
        self.kept = self._kept_for_later()

    def __call__(self, x: Tensor, state: State, parameters: Sequence[Tensor]) -> tuple[Tensor, State]:
        """The output `[T, B, width]` of x `[T, B, D]`, and the last states."""
        values = self._leaves(x, parameters)
        _compute(self.calls[BEFORE], values)
        slices = {place: values[place].unbind() for place in self.read}
        kept: dict[int, list[Tensor]] = {place: [] for place in self.kept}
        for t in range(len(x)):
            now = list(values)
            for place, slice_of in slices.items():
                now[place] = slice_of[t]
            for one in self.graph.states:
                now[one.before] = state[one.name]
            _compute(self.calls[DURING], now)
            state = {one.name: now[one.after] for one in self.graph.states}
            for place, steps in kept.items():
                steps.append(now[place])
        for place, steps in kept.items():
            values[place] = torch.stack(steps)
        _compute(self.calls[AFTER], values)
        return values[self.graph.output], state

    def _leaves(self, x: Tensor, parameters: Sequence[Tensor]) -> list[Any]:
        values: list[Any] = [None] * len(self.graph.nodes)
        for place, node in enumerate(self.graph.nodes):
            if node.operation == "parameter":
                values[place] = parameters[node.attributes["slot"]]
            elif node.operation == "number":
                values[place] = torch.tensor(node.attributes["value"], dtype=x.dtype)
        values[self.graph.input] = x
        return values

    def _of_the_input(self) -> set[int]:
        """The places of what is computed before the loop and differs from step to step."""
        found = {self.graph.input}
        for place, node in enumerate(self.graph.nodes):
            if self.when[place] == BEFORE and found.intersection(node.operands):
                found.add(place)
        return found

    def _read_in_the_loop(self) -> list[int]:
        """Of these, what a step reads."""
        nodes = enumerate(self.graph.nodes)
        read = {operand for place, node in nodes if self.when[place] == DURING for operand in node.operands}
        return sorted(self.sequences & (read | {one.after for one in self.graph.states}))

    def _kept_for_later(self) -> list[int]:
        """What of the loop is read after it, or is the output."""
        nodes = enumerate(self.graph.nodes)
        read = {operand for place, node in nodes if self.when[place] == AFTER for operand in node.operands}
        return sorted(place for place in read | {self.graph.output} if self.when[place] == DURING)

    def _calls(self, when: str, input_size: int, hidden_size: int) -> list[Call]:
        """The calls of one phase, in order."""

        def resolve(width: Width) -> int:
            return width.resolve(input_size, hidden_size)

        made: list[Call] = []
        cut: set[int] = set()
        for place, node in enumerate(self.graph.nodes):
            if self.when[place] != when or node.operation in LEAVES or place in cut:
                continue
            pieces = self._equal_parts(place)
            if pieces:
                cut.update(pieces)
                made.append((_chunks(len(pieces)), node.operands, pieces))
            else:
                made.append((function_of(node.operation, node.attributes, resolve), node.operands, (place,)))
        return made

    def _equal_parts(self, place: int) -> tuple[int, ...]:
        """The places of the equal parts that a value is cut into, beginning with the first; empty if it is not."""
        nodes = self.graph.nodes
        if nodes[place].operation != "part":
            return ()
        whole = nodes[place].operands
        pieces = tuple(at for at, node in enumerate(nodes) if node.operation == "part" and node.operands == whole)
        width = nodes[place].width
        assert width is not None, "a part has a width"
        starts = [Width.parse(nodes[at].attributes["start"]) for at in pieces]
        is_even = all(nodes[at].width == width for at in pieces) and starts == [width * k for k in range(len(pieces))]
        is_together = len({self.when[at] for at in pieces}) == 1
        return pieces if is_even and is_together and width * len(pieces) == nodes[whole[0]].width else ()


def _late(graph: Graph) -> tuple[str, ...]:
    """When each node is computed, if of what x takes part in only what the products need stands before the loop."""
    when = schedule(graph)
    of_the_input = {graph.input}
    for place, node in enumerate(graph.nodes):
        if of_the_input.intersection(node.operands):
            of_the_input.add(place)
    early = {graph.input}
    for place in reversed(range(len(graph.nodes))):
        node = graph.nodes[place]
        if place in early or (node.operation == "linear" and when[place] == BEFORE):
            early |= {place, *node.operands}
    late = of_the_input - early
    return tuple(DURING if moment == BEFORE and place in late else moment for place, moment in enumerate(when))


def _chunks(count: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    return lambda value: value.chunk(count, dim=-1)


def _compute(calls: Sequence[Call], values: list[Any]) -> None:
    for function, operands, results in calls:
        value = function(*[values[operand] for operand in operands])
        if len(results) == 1:
            values[results[0]] = value
        else:
            for place, piece in zip(results, value, strict=True):
                values[place] = piece
