"""What the forward pass keeps for the backward pass: a smallest cut between what is given and what is needed.

Every value that the backward pass needs is either kept, which costs memory in proportion to its width, or computed
again from values that are. The cheapest choice is a minimum cut of the step's graph (Ford & Fulkerson 1956); of
several, the one closest to what is needed, so that as little as possible is computed again. Knows nodes and widths.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from unrolled.equations.graph import Node

_SOURCE, _SINK = -1, -2
_UNLIMITED = 1 << 60
_PRODUCTS = ("linear", "normalised")  # too dear to be computed again


def kept_values(
    nodes: Sequence[Node], needed: Iterable[int], free: Iterable[int], width: Callable[[int], int]
) -> list[int]:
    """The values to keep, in the order of their places.

    Args:
        nodes: those of the step.
        needed: what the backward pass computes with.
        free: what it has anyway: the input, the parameters, the states.
        width: of a node, in units.
    """
    network = _Network()
    free = set(free)
    for place, node in enumerate(nodes):
        inside, outside = 2 * place, 2 * place + 1
        network.add(inside, outside, 0 if place in free else width(place))
        if place in free or node.operation in _PRODUCTS:
            network.add(_SOURCE, inside, _UNLIMITED)
        else:
            for operand in node.operands:
                network.add(2 * operand + 1, inside, _UNLIMITED)
    for place in needed:
        network.add(2 * place + 1, _SINK, _UNLIMITED)
    network.saturate()
    reached = network.reaching_sink()
    return [
        place for place in range(len(nodes))
        if place not in free and 2 * place + 1 in reached and 2 * place not in reached
    ]  # fmt: skip


class _Network:
    """Capacities between points, less what flows already."""

    def __init__(self) -> None:
        self._left: dict[int, dict[int, int]] = defaultdict(dict)

    def add(self, start: int, end: int, capacity: int) -> None:
        self._left[start][end] = self._left[start].get(end, 0) + capacity
        self._left[end].setdefault(start, 0)

    def saturate(self) -> None:
        """Send as much as there is room for, along shortest ways."""
        while way := self._way():
            room = min(self._left[a][b] for a, b in way)
            for a, b in way:
                self._left[a][b] -= room
                self._left[b][a] += room

    def reaching_sink(self) -> set[int]:
        """The points from which more could flow to the sink."""
        into: Mapping[int, list[int]] = defaultdict(list)
        for start, ends in self._left.items():
            for end, left in ends.items():
                if left > 0:
                    into[end].append(start)
        reached, waiting = {_SINK}, deque([_SINK])
        while waiting:
            for start in into[waiting.popleft()]:
                if start not in reached:
                    reached.add(start)
                    waiting.append(start)
        return reached

    def _way(self) -> list[tuple[int, int]]:
        came_from: dict[int, int] = {_SOURCE: _SOURCE}
        waiting = deque([_SOURCE])
        while waiting and _SINK not in came_from:
            at = waiting.popleft()
            for end, left in self._left[at].items():
                if left > 0 and end not in came_from:
                    came_from[end] = at
                    waiting.append(end)
        if _SINK not in came_from:
            return []
        way, end = [], _SINK
        while end != _SOURCE:
            way.append((came_from[end], end))
            end = came_from[end]
        return way[::-1]
