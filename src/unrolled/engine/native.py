"""Running compiled graphs over sequences: the tensors that go in and come out. Knows tensors, no equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.engine.compiled import Compiled
from unrolled.engine.executable import POOL, Executable, addresses, placed
from unrolled.engine.homes import Home
from unrolled.engine.layout import KEPT, SCRATCH, Base, Layout, laid_out
from unrolled.engine.memory import Held

_MOST_LAYOUTS = 64  # that are remembered


@dataclass
class Trace:
    """What a forward pass leaves for a backward pass."""

    steps: int
    batch: int
    reverse: bool
    parameters: Sequence[Tensor]
    tensors: dict[Base, Tensor]
    kept: tuple[int, Held]  # the address of what only the backward pass reads again, and who keeps it


class Gradients(NamedTuple):
    """Of x (None where the program has none), of each state before the first step, of each parameter, and of each named
    value that was asked for, `[T, B, width]`.
    """

    input: Tensor | None
    before: dict[str, Tensor]
    parameters: list[Tensor]
    values: dict[str, Tensor]


@dataclass
class _Layouts:
    """Of a forward program, and of a backward one that goes back once more, or for the last time."""

    forward: Layout
    backward: Layout | None = None
    last_backward: Layout | None = None


class Sequences:
    """A compiled graph that runs over sequences, forward and backward, for one type of numbers.

    `matrices`: the type in which matrices are multiplied, where that is not the type of everything else.
    """

    def __init__(self, compiled: Compiled, dtype: torch.dtype, matrices: torch.dtype | None = None) -> None:
        assert compiled.forward is not None
        self.compiled = compiled
        self.dtype = dtype
        back, matrices = compiled.backward, matrices or dtype
        self._forward = Executable(compiled.forward, dtype, matrices)
        self._backward = None if back is None else Executable(back, dtype, matrices)
        self._in_place = set() if back is None else {back.buffers[number].name for number in back.in_place}
        self._kept = set() if back is None else {int(one.name) for one in back.buffers if one.kind == "kept"}
        homes = [one[0] for one in compiled.recorded.values() if not isinstance(one, float)]
        self._seen = {one.buffer for one in homes if compiled.forward.buffers[one.buffer].kind == "made"}
        self._layouts: dict[tuple[int, int, bool], _Layouts] = {}

    def forward(
        self,
        x: Tensor,
        state: Mapping[str, Tensor],
        parameters: Sequence[Tensor],
        masks: Mapping[str, Tensor],
        noise: Sequence[Tensor] = (),
        *,
        reverse: bool,
        threads: int,
        split: int = 0,
    ) -> tuple[Tensor, dict[str, Tensor], Trace]:
        """The output `[T, B, width]`, the states `[B, width]` after the last step, and what a backward pass needs."""
        steps, batch = x.shape[:2]
        layout = self._layout(steps, batch, reverse=reverse).forward
        tensors: dict[Base, Tensor] = {("input", ""): x}
        for name, mask in masks.items():
            tensors[name, ""] = mask.contiguous()  # bools are bytes
        for slot, drawn in enumerate(noise):
            tensors["noise", slot] = drawn.contiguous()
        for name, value in state.items():
            history = torch.empty((steps + 1, *value.shape), dtype=self.dtype, device="cpu")
            history[steps if reverse else 0] = value
            tensors["history", name] = history
        trace = Trace(steps, batch, reverse, parameters, tensors, self._memory(layout.sizes[KEPT]))
        self._run(self._forward, layout, trace, tensors, backwards=reverse, threads=threads, split=split)
        after = {name: tensors["history", name][0 if reverse else steps] for name in state}
        if self.compiled.output_state is None:
            output = tensors["output", ""]
        else:
            history = tensors["history", self.compiled.output_state]
            output = history[:-1] if reverse else history[1:]
        return output, after, trace

    def backward(
        self,
        trace: Trace,
        of_output: Tensor,
        of_after: Mapping[str, Tensor],
        *,
        threads: int,
        split: int = 0,
        is_last: bool = False,
    ) -> Gradients:
        """Go back through a run.

        `is_last`: nobody goes back through this trace again, or looks at what it keeps: that may be written over.
        """
        steps, batch, reverse = trace.steps, trace.batch, trace.reverse
        layouts = self._layout(steps, batch, reverse=reverse)
        layout = layouts.last_backward if is_last else layouts.backward
        assert self._backward is not None
        assert layout is not None
        tensors = {**trace.tensors, ("gradient output", ""): of_output}
        first, last = (0, steps) if reverse else (steps, 0)
        for name, value in of_after.items():
            if name in self._in_place:
                history = value.clone(memory_format=torch.contiguous_format)
            else:
                history = torch.empty((steps + 1, *value.shape), dtype=self.dtype, device="cpu")
                history[first] = value
            tensors["gradient history", name] = history
        self._run(self._backward, layout, trace, tensors, backwards=not reverse, threads=threads, split=split)
        of_before = {
            name: history if name in self._in_place else history[last].clone()
            for name in of_after
            for history in [tensors["gradient history", name]]
        }
        of_parameters = [
            torch.zeros_like(one) if found is None else found.view_as(one)
            for slot, one in enumerate(trace.parameters)
            for found in [tensors.get(("gradient parameter", slot))]
        ]
        of_values = {str(name): value for (kind, name), value in tensors.items() if kind == "gradient value"}
        return Gradients(tensors.get(("gradient input", "")), of_before, of_parameters, of_values)

    def recorded(self, trace: Trace) -> dict[str, Tensor]:
        """The named values of a run that were to be kept, `[T, B, width]`: as they lie in memory."""
        shape = trace.steps, trace.batch
        return {
            name: torch.full((*shape, 1), home, dtype=self.dtype)
            if isinstance(home, float)
            else self._value(trace, home[0], (*shape, home[1]))
            for name, home in self.compiled.recorded.items()
        }

    def _value(self, trace: Trace, home: Home, shape: tuple[int, int, int]) -> Tensor:
        """A value `[T, B, width]` where it lies."""
        place = self._layout(*shape[:2], reverse=trace.reverse).forward.places[home.buffer]
        memory: Held
        if place.base == KEPT:
            memory = trace.kept[1]
        elif place.base[0] == "parameter":
            memory = trace.parameters[int(place.base[1])]
        else:
            memory = trace.tensors[place.base]
        assert isinstance(memory, Tensor)
        memory = memory.detach()
        if memory.dtype != self.dtype:
            memory = memory.view(self.dtype) if memory.dtype == torch.uint8 else memory.to(self.dtype)
        start = memory.storage_offset() + place.offset // self.dtype.itemsize + home.column
        value = memory.as_strided(shape, (place.step, place.row, 1), start)
        return value if place.base == KEPT else value.clone()  # (what others see, too, they may change)

    def _memory(self, size: int) -> tuple[int, Held]:
        """Memory for what a backward pass reads again, or somebody looks at."""
        if not self._seen:
            return POOL.take(size)
        shared = POOL.share(size)
        return shared.data_ptr(), shared

    def _run(
        self,
        executable: Executable,
        layout: Layout,
        trace: Trace,
        tensors: dict[Base, Tensor],
        *,
        backwards: bool,
        threads: int,
        split: int,
    ) -> None:
        """Run a program over these tensors, and those that it fills, which join them."""
        for base, shape in layout.filled.items():
            if base not in tensors:
                tensors[base] = self._filled(base, shape)
        scratch, _block = POOL.take(layout.sizes[SCRATCH])
        address = {base: tensor.data_ptr() for base, tensor in tensors.items()}
        for slot, parameter in enumerate(trace.parameters):
            address["parameter", slot] = parameter.data_ptr()
        address[KEPT], address[SCRATCH] = trace.kept[0], scratch
        gradients = {int(name): place for (kind, name), place in address.items() if kind == "gradient parameter"}
        packed, _blocks = executable.pack(trace.parameters, threads, gradients)
        buffers = placed((address[base] + offset, row, step) for base, offset, row, step in layout.places)
        executable.run(
            buffers, addresses(packed), trace.steps, trace.batch, backwards=backwards, threads=threads, split=split
        )

    def _filled(self, base: Base, shape: tuple[int, ...]) -> Tensor:
        """A tensor for a program to fill. A gradient takes the memory in which a matrix was packed, or will be."""
        if base[0] == "gradient parameter":
            return POOL.hand_over(shape, self.dtype)
        return torch.empty(shape, dtype=self.dtype, device="cpu")

    def _layout(self, steps: int, batch: int, *, reverse: bool) -> _Layouts:
        """Where the buffers of both programs lie."""
        key = steps, batch, reverse
        found = self._layouts.get(key)
        if found is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            item = self.dtype.itemsize
            forward = laid_out(
                self._forward.program, steps, batch, item, reverse=reverse, read_again=self._kept | self._seen
            )
            found = _Layouts(forward)
            if self._backward is not None:
                program, kept = self._backward.program, {number: forward.places[number] for number in self._kept}
                found.backward, found.last_backward = (
                    laid_out(program, steps, batch, item, reverse=reverse, kept=kept, over=over)
                    for over in ({}, program.over)
                )
            self._layouts[key] = found  # whole: other threads may be looking
        return found
