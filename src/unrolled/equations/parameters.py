"""What parameters are called: after the first named value that they feed. Knows graphs, not functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unrolled.equations.graph import Node, Parameter
from unrolled.equations.scope import Wanted


@dataclass(frozen=True)
class Request:
    """A parameter that was asked for: its node, and the name of its operand where that tells it from others."""

    wanted: Wanted
    node: int
    operand: str | None


def named_parameters(
    requests: Sequence[Request], nodes: Sequence[Node], names: Mapping[str, int]
) -> tuple[Parameter, ...]:
    """The parameters in the order of the requests, each with a name of its own: kind, value, operand, number."""
    name_of: dict[int, str] = {}
    for name, node in names.items():
        name_of.setdefault(node, name.partition("@")[0])
    taken: set[str] = set()
    parameters = []
    for request in requests:
        wanted = request.wanted
        fed = wanted.name or _first_fed(nodes, request.node, name_of)
        name = _unique("_".join(word for word in (wanted.kind, fed, request.operand) if word), taken)
        taken.add(name)
        parameters.append(Parameter(name, wanted.rows, wanted.columns, wanted.initial))
    return tuple(parameters)


def _first_fed(nodes: Sequence[Node], start: int, name_of: Mapping[int, str]) -> str | None:
    """The name of the first named node that depends on `start`."""
    fed = {start}
    for place in range(start, len(nodes)):
        if fed.intersection(nodes[place].operands):
            fed.add(place)
        if place in fed and place in name_of:
            return name_of[place]
    return None


def _unique(name: str, taken: set[str]) -> str:
    number, unique = 2, name
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique
