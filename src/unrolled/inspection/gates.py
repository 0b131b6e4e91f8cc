"""Gates: which values of a cell are such, how saturated they are, how long what they keep lasts. Knows graphs, arrays.

Karpathy, Johnson & Fei-Fei 2015 (Visualizing and Understanding Recurrent Networks), section 4.2: a gate is
left-saturated where it is below 0.1, right-saturated where it is above 0.9.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.equations import Graph

LEFT, RIGHT = 0.1, 0.9
_STUCK = 0.999  # of all steps
_STILL = 1e-3  # the deviation below which a unit does not move


def gates_of(graph: Graph) -> list[str]:
    """The names of a cell's gates: what it calls the result of a sigmoid."""
    return [
        name for name, place in graph.names.items() if graph.nodes[place].operation == "sigmoid" and "@" not in name
    ]


class Keeper(NamedTuple):
    """What a state's old value is multiplied by: a gate, or what a gate leaves, 1 - gate."""

    gate: str
    is_rest: bool = False

    def __str__(self) -> str:
        return f"1 - {self.gate}" if self.is_rest else self.gate

    def of(self, gate: Tensor) -> Tensor:
        """How much is kept, by the values of the gate."""
        return 1 - gate if self.is_rest else gate


def keepers_of(graph: Graph) -> dict[str, Keeper]:
    """State -> what says how much of it is kept: its old value is multiplied by it.

    The LSTM's f, the GRU's z, MUT1's 1 - z. A state has none whose old value is no term of its new one, or one in
    another form as well, or that is taken away.
    """
    found = {}
    for state in graph.states:
        factors = [_factor(graph, state.before, term, is_taken=sign) for term, sign in _terms(graph, state.after)]
        said = [one for one in factors if one is not _NOTHING]
        if len(said) == 1 and isinstance(said[0], Keeper):
            found[state.name] = said[0]
    return found


_NOTHING, _SOMETHING = "no term of the state", "one that no gate keeps"


def _factor(graph: Graph, before: int, term: int, *, is_taken: bool) -> Keeper | str:
    """What a term of a sum has to do with the old value of a state."""
    node = graph.nodes[term]
    if before == term:
        return _SOMETHING
    if node.operation != "multiply" or before not in node.operands:
        return _NOTHING
    gates = {graph.names[name]: name for name in gates_of(graph)}
    others = [one for one in node.operands if one != before]
    if is_taken or len(others) != 1:
        return _SOMETHING
    (other,) = others
    if other in gates:
        return Keeper(gates[other])
    factor = graph.nodes[other]
    if factor.operation == "subtract" and factor.operands[1] in gates and _is_one(graph, factor.operands[0]):
        return Keeper(gates[factor.operands[1]], is_rest=True)
    return _SOMETHING


def _is_one(graph: Graph, place: int) -> bool:
    node = graph.nodes[place]
    return node.operation == "number" and node.attributes["value"] == 1


def _terms(graph: Graph, place: int, *, is_taken: bool = False) -> Iterator[tuple[int, bool]]:
    """What a sum is made of, and whether it is taken away."""
    node = graph.nodes[place]
    if node.operation in ("add", "subtract"):
        first, second = node.operands
        yield from _terms(graph, first, is_taken=is_taken)
        yield from _terms(graph, second, is_taken=is_taken ^ (node.operation == "subtract"))
    else:
        yield place, is_taken


@dataclass(frozen=True)
class Saturation:
    """Of each unit of a gate: the share of steps in which it is below 0.1, and above 0.9, `[U]`."""

    left: Tensor
    right: Tensor

    @property
    def stuck(self) -> Tensor:
        """The units that are always on one side, their numbers."""
        return torch.nonzero(torch.maximum(self.left, self.right) > _STUCK).flatten()


def saturation(gate: Tensor) -> Saturation:
    """How saturated a gate `[..., U]` is."""
    values = gate.reshape(-1, gate.shape[-1])
    return Saturation((values < LEFT).double().mean(dim=0), (values > RIGHT).double().mean(dim=0))


def time_constants(keeper: Tensor) -> Tensor:
    """For how many steps each unit remembers, `[U]`: after so many, 1/e of what it held is left by the gate `[..., U]`.

    From the mean of the logarithm of the gate: -1 / E[ln f]; infinite where the gate is always 1.
    """
    values = keeper.reshape(-1, keeper.shape[-1]).double()
    return 1.0 / values.clamp(min=torch.finfo(torch.float64).tiny).log().mean(dim=0).abs()


def still(values: Tensor) -> Tensor:
    """The numbers of the units `[..., U]` that hardly move: their deviation is below 0.001."""
    return torch.nonzero(values.reshape(-1, values.shape[-1]).double().std(dim=0, correction=0) < _STILL).flatten()
