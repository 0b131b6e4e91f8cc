"""Layers in the engine, one time step after the other, without finding out anew what to run. Knows tensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from unrolled.engine.homes import Buffer
from unrolled.engine.program import Program
from unrolled.engine.reference import State
from unrolled.engine.snapshot import Place, Precision, Snapshot, frozen
from unrolled.engine.stacking import chained


class Steps:
    """A stack of layers with a snapshot of their parameters, and their states.

    Args:
        layers: a program and its parameters for each layer.
        state: the states from which they start, name -> `[L, B, width]`.
        input_size: D of the first layer.
        precision: of the matrices, see `Snapshot`.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Program, Sequence[Tensor]]],
        state: State,
        input_size: int,
        precision: Precision = "float32",
    ) -> None:
        like = next(iter(state.values()))
        self._batch = like.shape[1]
        self._states = {name: torch.stack([value, value]) for name, value in state.items()}  # before and after a step
        self._x = like.new_empty(self._batch, input_size)
        self._made: dict[Buffer, Tensor] = {}
        program, output = chained(frozen(layers, like), input_size)
        parameters = [one for _, those in layers for one in those]
        self._snapshot = Snapshot(program, parameters, like.dtype, precision)
        # the two places of the states take turns: what a step leaves, the next one finds
        self._bound = [self._snapshot.bound(partial(self._place, turn)) for turn in (0, 1)]
        self._outputs = [self._tensor(program.buffers[output], turn) for turn in (0, 1)]
        self._turn = 0

    def step(self, x: Tensor) -> Tensor:
        """The output `[B, width]` for x `[B, D]` of that shape and type."""
        self._x.copy_(x)
        self._snapshot.run(self._bound[self._turn], 1, self._batch)
        output = self._outputs[self._turn].clone()
        self._turn = 1 - self._turn
        return output

    @property
    def state(self) -> State:
        """The states after the last step."""
        return {name: both[self._turn].clone() for name, both in self._states.items()}

    @state.setter
    def state(self, state: State) -> None:
        for name, value in state.items():
            self._states[name][self._turn] = value

    def _place(self, turn: int, buffer: Buffer) -> Place:
        tensor = self._tensor(buffer, turn)
        return tensor.data_ptr(), 0 if buffer.span == "vector" else buffer.width, 0

    def _tensor(self, buffer: Buffer, turn: int) -> Tensor:
        """The memory of a buffer in steps whose states begin in that place."""
        match buffer.kind:
            case "input":
                return self._x
            case "before" | "after":
                layer, _, name = str(buffer.name).partition(" ")
                return self._states[name][turn if buffer.kind == "before" else 1 - turn, int(layer)]
        shape = (buffer.width,) if buffer.span == "vector" else (self._batch, buffer.width)
        return self._made.setdefault(buffer, self._x.new_empty(shape))
