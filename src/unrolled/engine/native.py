"""Running programs in the engine: memory for their buffers, and the call. Knows tensors and pointers, no equations."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unrolled.engine.compiled import Compiled
from unrolled.engine.homes import Buffer, Home
from unrolled.engine.library import (
    CBuffer,
    CChoice,
    CInstruction,
    CLookup,
    CMatrix,
    COperand,
    CProduct,
    CProgram,
    CStage,
    CSum,
    library,
)
from unrolled.engine.memory import Block, Pool
from unrolled.engine.programs import Program

_TYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.int8: 3}  # by the type of the matrices
_NO_MEMORY = 1
_LINE = 64  # bytes of a cache line
_COLLISION = 2048  # bytes: rows that lie a multiple apart share few places of a cache
_POOL = Pool()


class Executable:
    """A program in the form of native/unrolled.h; `matrices`: the type in which they are multiplied."""

    def __init__(self, program: Program, dtype: torch.dtype, matrices: torch.dtype) -> None:
        found = library()
        assert found is not None, "whoever runs a program has looked for the library"
        self._library = found
        self.program = program
        self.dtype = dtype
        self.type = _TYPES[matrices]
        self.matrices = (CMatrix * max(1, len(program.matrices)))(
            *[CMatrix(one.rows, one.columns, one.transposed, one.parts) for one in program.matrices]
        )
        self.packed_sizes = [
            found.unrolled_packed_size(self.matrices[one], self.type) for one in range(len(program.matrices))
        ]
        self._arrays = (
            _array(CStage, [CStage(*map(int, one)) for one in program.stages]),
            _array(CInstruction, [_instruction(one) for one in program.instructions]),
            _array(CProduct, [_product(one) for one in program.products]),
            _array(CSum, [_sum(one) for one in program.sums]),
            _array(CLookup, [CLookup(*one) for one in program.lookups]),
            _array(CChoice, [CChoice(*one) for one in program.choices]),
            (ctypes.c_double * max(1, len(program.constants)))(*program.constants),
        )
        stages, instructions, products, sums, lookups, choices, constants = self._arrays
        self._struct = CProgram(
            self.type, program.registers, program.widest, len(program.stages), len(program.matrices),
            len(program.constants), stages, instructions, products, sums, lookups, choices, self.matrices, constants,
        )  # fmt: skip

    def pack(self, parameters: Sequence[Tensor], threads: int) -> tuple[list[Tensor], list[Block]]:
        """The matrices laid out for products, and what has to be kept as long as they are used."""
        packed, blocks = [], []
        for number, (matrix, size) in enumerate(zip(self.program.matrices, self.packed_sizes, strict=True)):
            memory, block = _POOL.take((-(-size // 4),), torch.float32)
            blocks.append(block)
            self._library.unrolled_pack(
                self.matrices[number], self.type, parameters[matrix.slot].data_ptr(), memory.data_ptr(), threads
            )
            packed.append(memory)
        return packed, blocks

    def run(
        self,
        places: Sequence[tuple[int, int, int]],
        packed: Sequence[Tensor],
        steps: int,
        batch: int,
        *,
        backwards: bool,
        threads: int,
        split: int = 0,
    ) -> None:
        """Run over buffers, each an address, a distance of rows and a distance of steps."""
        buffers = (CBuffer * len(places))(*[CBuffer(*one) for one in places])
        pointers = (ctypes.c_void_p * max(1, len(packed)))(*[one.data_ptr() for one in packed])
        failed = self._library.unrolled_run(self._struct, buffers, pointers, steps, batch, backwards, threads, split)
        if failed == _NO_MEMORY:
            raise MemoryError("there is no memory for the engine's tiles")


def _array(kind: Any, values: list[Any]) -> Any:
    return (kind * max(1, len(values)))(*values)


def _instruction(one: Any) -> CInstruction:
    operands = (COperand * 3)(*[COperand(*operand) for operand in one.operands])
    return CInstruction(one.operation, one.width, COperand(*one.result), operands, one.number)


def _product(one: Any) -> CProduct:
    init: Home | None = one.init
    return CProduct(
        one.value.buffer, one.value.column, one.matrix, one.destination.buffer, one.destination.column,
        -1 if init is None else init.buffer, 0 if init is None else init.column,
    )  # fmt: skip


def _sum(one: Any) -> CSum:
    gradient: Home | None = one.gradient
    return CSum(
        -1 if gradient is None else gradient.buffer, 0 if gradient is None else gradient.column, one.rows,
        one.value.buffer, one.value.column, one.columns, one.destination.buffer,
    )  # fmt: skip


@dataclass
class Trace:
    """What a forward pass leaves for a backward pass: all memory that it wrote."""

    steps: int
    batch: int
    reverse: bool
    tensors: dict[tuple[str, Any], Tensor] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def made(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Memory that nobody sees outside the engine, for as long as this is used."""
        tensor, block = _POOL.take(shape, dtype)
        self.blocks.append(block)
        return tensor


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
        trace = Trace(steps, batch, reverse)
        tensors = trace.tensors
        tensors["input", ""] = x
        for name, mask in masks.items():
            tensors[name, ""] = mask.contiguous()  # bools are bytes
        for slot, drawn in enumerate(noise):
            tensors["noise", slot] = drawn
        for slot, parameter in enumerate(parameters):
            tensors["parameter", slot] = parameter
        for name, value in state.items():
            history = torch.empty((steps + 1, *value.shape), dtype=self.dtype)
            history[steps if reverse else 0] = value
            tensors["history", name] = history
        program = self._forward.program
        places = [self._place(number, buffer, trace, reverse=reverse) for number, buffer in enumerate(program.buffers)]
        packed, _blocks = self._forward.pack(parameters, threads)
        self._forward.run(places, packed, steps, batch, backwards=reverse, threads=threads, split=split)
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
    ) -> tuple[Tensor, dict[str, Tensor], list[Tensor]]:
        """The gradients of x, of each state before the first step, and of each parameter."""
        assert self._backward is not None
        steps, batch, reverse = trace.steps, trace.batch, trace.reverse
        here = Trace(steps, batch, reverse, dict(trace.tensors))
        tensors = here.tensors
        tensors["gradient output", ""] = of_output
        for name, value in of_after.items():
            if name in self._in_place:
                tensors["gradient history", name] = value.clone(memory_format=torch.contiguous_format)
                continue
            history = here.made((steps + 1, *value.shape), self.dtype)
            history[0 if reverse else steps] = value
            tensors["gradient history", name] = history
        program = self._backward.program
        places = [self._place(number, buffer, here, reverse=reverse) for number, buffer in enumerate(program.buffers)]
        parameters = [trace.tensors["parameter", slot] for slot in range(self._parameter_count(trace))]
        packed, _blocks = self._backward.pack(parameters, threads)
        self._backward.run(places, packed, steps, batch, backwards=not reverse, threads=threads, split=split)
        last = steps if reverse else 0
        of_before = {
            name: history if name in self._in_place else history[last].clone()
            for name in of_after
            for history in [tensors["gradient history", name]]
        }
        of_x = tensors.get(("gradient input", ""))
        of_parameters = [
            tensors["gradient parameter", slot].view_as(one)
            if ("gradient parameter", slot) in tensors
            else torch.zeros_like(one)
            for slot, one in enumerate(parameters)
        ]
        return torch.zeros_like(trace.tensors["input", ""]) if of_x is None else of_x, of_before, of_parameters

    @staticmethod
    def _parameter_count(trace: Trace) -> int:
        return sum(kind == "parameter" for kind, _ in trace.tensors)

    def _place(self, number: int, buffer: Buffer, trace: Trace, *, reverse: bool) -> tuple[int, int, int]:
        """Where a buffer lies: its address, and the distances of rows and steps, in elements. Makes it, if need be."""
        steps, batch, width = trace.steps, trace.batch, buffer.width
        size = torch.finfo(self.dtype).bits // 8
        row = (width, batch * width)
        if buffer.kind in ("made", "kept") and width * size % _COLLISION == 0:
            width += _LINE // size  # else all rows would fall on each other in a cache
            row = (width, batch * width)
        match buffer.kind:
            case "before" | "after":
                base = trace.tensors["history", buffer.name].data_ptr()
                is_later = (buffer.kind == "after") != reverse
                return base + is_later * batch * width * size, *row
            case "gradient state before" | "gradient state after":
                base = trace.tensors["gradient history", buffer.name].data_ptr()
                if buffer.name in self._in_place:
                    return base, width, 0
                is_later = (buffer.kind == "gradient state after") != reverse
                return base + is_later * batch * width * size, *row
            case "reset" | "valid":
                return trace.tensors[buffer.kind, ""].data_ptr(), 1, batch
            case "parameter":
                return trace.tensors["parameter", buffer.name].data_ptr(), 0, 0
            case "kept":
                return trace.tensors["made", buffer.name].data_ptr(), *row
            case "made":
                key: tuple[str, Any] = ("made", number) if self._is_forward(trace) else ("made back", number)
            case _:
                key = (buffer.kind, buffer.name)
        shape = {"history": (steps, batch, width), "step": (batch, width), "vector": (width,)}[buffer.span]
        tensor = trace.tensors.get(key)
        if tensor is None:
            is_inside = buffer.kind == "made"
            tensor = trace.made(shape, self.dtype) if is_inside else torch.empty(shape, dtype=self.dtype)
            trace.tensors[key] = tensor
        return (tensor.data_ptr(), *{"history": row, "step": (width, 0), "vector": (0, 0)}[buffer.span])

    @staticmethod
    def _is_forward(trace: Trace) -> bool:
        return ("gradient output", "") not in trace.tensors
