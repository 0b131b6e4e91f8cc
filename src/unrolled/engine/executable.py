"""A program in the form of the engine's library, and the call. Knows ctypes and addresses, no equations."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from unrolled.engine.homes import Home
from unrolled.engine.levels import level, number_of
from unrolled.engine.library import (
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
from unrolled.engine.lodging import lodgings
from unrolled.engine.memory import Held, Pool
from unrolled.engine.programs import Program

POOL = Pool()
_TYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.int8: 3}  # by the type of the matrices


class Executable:
    """A program in the form of native/unrolled.h; `matrices`: the type in which they are multiplied."""

    def __init__(self, program: Program, dtype: torch.dtype, matrices: torch.dtype) -> None:
        found = library()
        assert found is not None, "whoever runs a program has looked for the library"
        self._library = found
        self.program = program
        self.type = _TYPES[matrices]
        self.level = number_of(level())  # for life: its matrices are packed for that level
        self._matrices = (CMatrix * max(1, len(program.matrices)))(
            *[CMatrix(one.rows, one.columns, one.transposed, one.parts) for one in program.matrices]
        )
        self._packed_sizes = [
            found.unrolled_packed_size(one, self.type, self.level) for one in self._matrices[: len(program.matrices)]
        ]
        self._lodgings = {
            number: slot
            for number, slot in lodgings(program).items()
            if self._packed_sizes[number]
            <= program.matrices[number].rows * program.matrices[number].columns * dtype.itemsize
        }
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
            self.type, self.level, program.registers, program.widest, len(program.stages), len(program.matrices),
            len(program.constants), stages, instructions, products, sums, lookups, choices, self._matrices, constants,
        )  # fmt: skip

    def pack(
        self, parameters: Sequence[Tensor], threads: int, gradients: Mapping[int, int] = MappingProxyType({})
    ) -> tuple[list[int], list[Held]]:
        """The addresses of the matrices laid out for products, and what has to be kept as long as they are used.

        Each has a block of its own, which a gradient of that size may take over. `gradients`: where those of the
        parameters will lie, by slot; a matrix may be there until its own is summed up. Raises MemoryError.
        """
        packed, blocks = [], []
        for number, size in enumerate(self._packed_sizes):
            if number in self._lodgings:
                packed.append(gradients[self._lodgings[number]])
            else:
                address, block = POOL.take(size)
                packed.append(address)
                blocks.append(block)
        data = [parameters[matrix.slot].data_ptr() for matrix in self.program.matrices]
        failed = self._library.unrolled_pack(
            self._matrices, len(packed), self.type, self.level, addresses(data), addresses(packed), threads
        )
        _check(failed)
        return packed, blocks

    def run(
        self, buffers: bytes, packed: bytes, steps: int, batch: int, *, backwards: bool, threads: int, split: int = 0
    ) -> None:
        """Run over buffers, as `placed` writes them, with matrices at these addresses, as `addresses` writes them.

        Raises:
            MemoryError: there is none for the tiles.
        """
        _check(self._library.unrolled_run(self._struct, buffers, packed, steps, batch, backwards, threads, split))


def placed(places: Iterable[tuple[int, int, int]]) -> bytes:
    """UnrolledBuffers, one after the other: addresses, and how many elements lie from row to row and step to step."""
    flat = [number for place in places for number in place]
    return struct.pack(f"@{len(flat)}q", *flat)


def addresses(of: Sequence[int]) -> bytes:
    """Pointers, one after the other."""
    return struct.pack(f"@{len(of)}q", *of)


def _check(failed: int) -> None:
    if failed:
        raise MemoryError("there is no memory for the engine's tiles and threads")


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
