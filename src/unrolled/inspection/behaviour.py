"""How each recurrent layer behaves while it runs: gates, memory, what never moves, gradients. Knows no text, no words.

What it measures is told in words by `words` and drawn by `figures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.inspection.addresses import Place
from unrolled.inspection.flow import signal
from unrolled.inspection.gates import Saturation, gates_of, keepers_of, saturation, still, time_constants
from unrolled.inspection.stability import jacobians, lyapunov_exponents
from unrolled.inspection.tracing import directions_of, modules_of
from unrolled.layers.stack import Direction

_WIDEST = 512  # states whose Jacobians are followed,
_FEWEST, _MOST = 20, 60  # along so many steps: a second or two


@dataclass(frozen=True)
class Memory:
    """How long a state lasts by the gate that keeps it: `steps` `[U]` until 1/e of it is left. `kept`: the gate."""

    gate: str
    steps: Tensor
    kept: Tensor


@dataclass(frozen=True)
class Behaviour:
    """What one layer did, in one direction.

    gates: name -> saturation. memories: state -> how long it lasts, where a gate keeps it. still: state -> the units
    that hardly move. signals: state -> dL/d(state) `[T, B, U]` of a gradient that was put in at the end: the first is
    where that was, the others lie further and further back. exponents: the largest Lyapunov exponents along the first
    row, in nats per step; none where the sequence is short or the states are too wide to be quick about it.
    """

    place: Place
    gates: dict[str, Saturation]
    memories: dict[str, Memory]
    still: dict[str, list[int]]
    signals: dict[str, Tensor]
    exponents: Tensor

    @property
    def name(self) -> str:
        """Of the layer, as short as it can be said: a language model's `rnn.layer0` is `layer0`."""
        return str(self.place).removeprefix("rnn.")


def behaviours(model: nn.Module, values: Mapping[str, Tensor], *inputs: Any, **options: Any) -> list[Behaviour]:
    """Each layer's behaviour.

    Args:
        model: any module with recurrent layers of Unrolled within.
        values: address -> what it was over a sequence, `[..., U]`, for all named values.
        *inputs: what the model is called with while a gradient goes back.
        **options: the same, by name.
    """
    return [
        _behaviour(model, place, direction, values, inputs, options)
        for path, module in modules_of(model).items()
        for place, direction in directions_of(path, module.stack())
        if f"{place}.{direction.program.graph.states[0].name}" in values  # (else it did not run)
    ]


def _behaviour(
    model: nn.Module, place: Place, direction: Direction, values: Mapping[str, Tensor], inputs: Any, options: Any
) -> Behaviour:
    graph = direction.program.graph
    named = {name: values[f"{place}.{name}"].detach().as_subclass(Tensor) for name in graph.names if _is_kept(name)}
    states = [one.name for one in graph.states]
    found = {name: still(named[name]).tolist() for name in states}
    return Behaviour(
        place,
        {name: saturation(named[name]) for name in gates_of(graph)},
        {state: Memory(gate, time_constants(named[gate]), named[gate]) for state, gate in keepers_of(graph).items()},
        {name: units for name, units in found.items() if units},
        {name: _signal(model, place, name, inputs, options) for name in states},
        _exponents(model, place, sum(named[name].shape[-1] for name in states), len(named[states[0]]), inputs, options),
    )


def _is_kept(name: str) -> bool:
    return "@" not in name and name != "x"


def _exponents(model: nn.Module, place: Place, width: int, steps: int, inputs: Any, options: Any) -> Tensor:
    if width > _WIDEST or steps < _FEWEST:
        return torch.zeros(0)
    order = range(steps - 1, -1, -1) if place.is_reverse else range(steps)
    return lyapunov_exponents(jacobians(model, *inputs, layer=str(place), steps=order[:_MOST], **options))


def _signal(model: nn.Module, place: Place, name: str, inputs: Any, options: Any) -> Tensor:
    with torch.enable_grad():
        found = signal(model, *inputs, value=f"{place}.{name}", **options).as_subclass(Tensor)
    return found if place.is_reverse else found.flip(0)
