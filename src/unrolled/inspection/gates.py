"""Gates: which values of a cell are such, how saturated they are, how long what they keep lasts. Knows graphs, arrays.

Karpathy, Johnson & Fei-Fei 2015 (Visualizing and Understanding Recurrent Networks), section 4.2: a gate is
left-saturated where it is below 0.1, right-saturated where it is above 0.9.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


def keepers_of(graph: Graph) -> dict[str, str]:
    """State -> the gate that says how much of it is kept: its old value is multiplied by it.

    The LSTM's f, the GRU's z. A state whose old value is not a term of its new one has none.
    """
    gates = {graph.names[name]: name for name in gates_of(graph)}
    found: dict[str, str] = {}
    for state in graph.states:
        for term in _terms(graph, state.after):
            node = graph.nodes[term]
            if node.operation == "multiply" and state.before in node.operands:
                for other in set(node.operands) & set(gates):
                    found[state.name] = gates[other]
    return found


def _terms(graph: Graph, place: int) -> Iterator[int]:
    """What a sum is made of."""
    node = graph.nodes[place]
    if node.operation in ("add", "subtract"):
        for operand in node.operands:
            yield from _terms(graph, operand)
    else:
        yield place


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
