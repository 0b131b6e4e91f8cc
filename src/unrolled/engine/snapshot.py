"""A program with its parameters as they were when it was made, their matrices packed once. Knows no models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from unrolled.engine.choice import wish
from unrolled.engine.executable import Executable, addresses, placed
from unrolled.engine.homes import Buffer
from unrolled.engine.program import Program
from unrolled.engine.programs import Program as Instructions
from unrolled.engine.stacking import Layer
from unrolled.errors import ConfigError

Precision = Literal["float32", "bf16", "int8"]
_MATRICES = {"bf16": torch.bfloat16, "int8": torch.int8}

# The address of a buffer, and how many elements lie from row to row and from step to step.
Place = tuple[int, int, int]


class Snapshot:
    """What runs a program, forward, without gradients.

    Args:
        program: what is computed; `parameters`: what it calls so, in their order.
        dtype: of all values.
        precision: of the matrices. "float32": as they are. "bf16": these and what they multiply are rounded, sums and
            all else is float32. "int8": each column of a matrix has 255 steps up to its largest magnitude.
    """

    def __init__(
        self, program: Instructions, parameters: Sequence[Tensor], dtype: torch.dtype, precision: Precision = "float32"
    ) -> None:
        self._buffers = program.buffers
        self._parameters = [one.detach().clone(memory_format=torch.contiguous_format) for one in parameters]
        self._executable = Executable(program, dtype, _MATRICES.get(precision, dtype))
        packed, self._blocks = self._executable.pack(self._parameters, torch.get_num_threads())
        self._packed = addresses(packed)

    def bound(self, place: Callable[[Buffer], Place]) -> bytes:
        """What `run` needs to know of the buffers: `place` tells where each lies, but for parameters."""
        return placed(self._place(buffer, place) for buffer in self._buffers)

    def _place(self, buffer: Buffer, place: Callable[[Buffer], Place]) -> Place:
        if buffer.kind != "parameter":
            return place(buffer)
        assert isinstance(buffer.name, int)
        return self._parameters[buffer.name].data_ptr(), 0, 0

    def run(self, bound: bytes, steps: int, batch: int) -> None:
        """Run over the buffers of `bound`.

        Raises:
            MemoryError: there is none for the tiles.
        """
        self._executable.run(bound, self._packed, steps, batch, backwards=False, threads=torch.get_num_threads())


def frozen(layers: Sequence[tuple[Program, Sequence[Tensor]]], like: Tensor) -> list[Layer]:
    """What the engine runs of layers, each a program and its parameters, without gradients or noise.

    `obstacle_to_freezing` was asked, and named none.
    """
    made = []
    for program, parameters in layers:
        found = program.forward_program(like, parameters)
        assert not isinstance(found, str), found
        assert found.forward is not None
        made.append(Layer(found.forward, found.output_state, len(parameters)))
    return made


def obstacle_to_freezing(layers: Sequence[tuple[Program, Sequence[Tensor]]], others: Sequence[Tensor]) -> str:
    """Why the engine cannot run these layers, with other tensors beside them; empty if it can.

    Raises:
        ConfigError: the native engine is asked for, and cannot run this.
    """
    found = (program.forward_program(others[0], [*parameters, *others]) for program, parameters in layers)
    reason = next((one for one in found if isinstance(one, str)), "")
    if reason and wish() == "native":
        raise ConfigError(f"the native engine cannot run this: {reason}. Use the engine 'auto' or 'reference'")
    return reason


def check_precision(precision: str, dtype: torch.dtype, reason: str) -> None:
    """Check that a precision of matrices can be had; `reason`: why the engine cannot run, empty if it can.

    Raises:
        ConfigError: there is no such one, or the numbers are of another type than float32, or it needs the engine.
    """
    if precision not in get_args(Precision):
        raise ConfigError(f"there is no precision {precision!r}: {', '.join(get_args(Precision))}")
    if precision != "float32" and (reason or dtype != torch.float32):
        reason = reason or f"the weights are {dtype}"
        raise ConfigError(f"precision {precision!r} needs the native engine and weights of float32: {reason}")
