"""How each recurrent layer behaves while it runs: gates, memory, what never moves, gradients. Knows no text, no words.

What it measures is told in words by `words` and drawn by `figures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import ConfigError
from unrolled.inspection.addresses import Place
from unrolled.inspection.flow import signal
from unrolled.inspection.gates import Keeper, Saturation, gates_of, keepers_of, saturation, still, time_constants
from unrolled.inspection.stability import jacobians, lyapunov_exponents
from unrolled.inspection.tracing import directions_of, modules_of
from unrolled.layers.stack import Direction
from unrolled.models import evaluating

_WIDEST = 512  # states whose Jacobians are followed,
_FEWEST, _MOST, _SKIPPED = 20, 60, 10  # along so many steps, of which the first do not count: a second or two


@dataclass(frozen=True)
class Memory:
    """How long a state lasts by what keeps it, a gate's name: `steps` `[U]` until 1/e of it is left.

    kept: how much is kept at each step of the first row, the mean over units, `[T]`.
    """

    keeper: str
    steps: Tensor
    kept: Tensor


@dataclass(frozen=True)
class Behaviour:
    """What one layer did, in one direction.

    name: its address, without the path of its module if the model has no other. gates: name -> saturation. memories:
    state -> how long it lasts, where a gate keeps it. still: state -> the units that hardly move. signals: state ->
    dL/d(state) `[T, B, U]` of a gradient that was put in at the end: the first is where that was, the others lie
    further and further back; none where the model runs without gradients. exponents: the largest Lyapunov exponents
    along the first row, in nats per step, over so many `steps`; none where the sequence is short or the states are too
    wide to be quick about it.
    """

    place: Place
    name: str
    gates: dict[str, Saturation]
    memories: dict[str, Memory]
    still: dict[str, list[int]]
    signals: dict[str, Tensor]
    exponents: Tensor
    steps: int = 0

    def lasting(self) -> tuple[str, Tensor]:
        """The signal of the state that is meant to last: c where there is one, as in the LSTM, else the first."""
        return next((one for one in self.signals.items() if one[0] == "c"), next(iter(self.signals.items())))


def behaviours(model: nn.Module, values: Mapping[str, Tensor], *inputs: Any, **options: Any) -> list[Behaviour]:
    """Each layer's behaviour.

    Args:
        model: any module with recurrent layers of Unrolled within; without dropout meanwhile, whatever its mode.
        values: address -> what it was over a sequence, `[T, U]` or `[T, B, U]`, for all named values. Steps at which a
            row has ended, as those of a packed sequence do, are nothing but zeros, and do not count.
        *inputs: what the model is called with while a gradient goes back.
        **options: the same, by name.
    """
    modules = modules_of(model)
    looking = _Looking(model, values, inputs, options, is_alone=len(modules) == 1)
    with evaluating(model):
        return [
            looking.at(place, direction)
            for path, module in modules.items()
            for place, direction in directions_of(path, module.stack())
            if f"{place}.{direction.program.graph.states[0].name}" in values  # (else it did not run)
        ]


@dataclass(frozen=True)
class _Looking:
    model: nn.Module
    values: Mapping[str, Tensor]
    inputs: tuple[Any, ...]
    options: Mapping[str, Any]
    is_alone: bool

    def at(self, place: Place, direction: Direction) -> Behaviour:
        graph = direction.program.graph
        named = {name: self._value(place, name) for name in graph.names if "@" not in name and name != "x"}
        states = [one.name for one in graph.states]
        ran = torch.stack([value.ne(0).any(dim=-1) for value in named.values()]).any(dim=0)  # [T, B]
        found = {name: still(named[name][ran]).tolist() for name in states}
        exponents, steps = self._exponents(place, sum(named[name].shape[-1] for name in states), int(ran[:, 0].sum()))
        return Behaviour(
            place,
            str(replace(place, path="") if self.is_alone else place),
            {name: saturation(named[name][ran]) for name in gates_of(graph)},
            {state: _memory(keeper, named[keeper.gate], ran) for state, keeper in keepers_of(graph).items()},
            {name: units for name, units in found.items() if units},
            {name: back for name in states if (back := self._signal(place, name, ran)) is not None},
            exponents,
            steps,
        )

    def _value(self, place: Place, name: str) -> Tensor:
        """What a value was, `[T, B, U]`."""
        value = self.values[f"{place}.{name}"].detach().as_subclass(Tensor)
        return value[:, None] if value.dim() == 2 else value

    def _signal(self, place: Place, name: str, ran: Tensor) -> Tensor | None:
        """What goes back, each row from where it ended; None: the model does not let gradients through."""
        try:
            with torch.enable_grad():
                found = signal(self.model, *self.inputs, value=f"{place}.{name}", **self.options).as_subclass(Tensor)
        except ConfigError:
            return None
        if place.is_reverse:
            return found
        if ran.shape == found.shape[:2]:
            ends = ran.sum(dim=0)
            back = (ends - 1 - torch.arange(len(found), device=ends.device)[:, None]) % len(found)  # [T, B]
            return found.gather(0, back[..., None].expand_as(found))
        return found.flip(0)

    def _exponents(self, place: Place, width: int, steps: int) -> tuple[Tensor, int]:
        if width > _WIDEST or steps < _FEWEST:
            return torch.zeros(0), 0
        order = (range(steps - 1, -1, -1) if place.is_reverse else range(steps))[:_MOST]
        along = jacobians(self.model, *self.inputs, layer=str(place), steps=order, **self.options)
        return lyapunov_exponents(along, skip=_SKIPPED), len(order) - _SKIPPED


def _memory(keeper: Keeper, gate: Tensor, ran: Tensor) -> Memory:
    kept = keeper.of(gate)
    return Memory(str(keeper), time_constants(kept[ran]), kept[:, 0].double().mean(dim=-1))
