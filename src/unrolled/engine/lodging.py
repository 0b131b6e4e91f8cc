"""Matrices that can be packed where their own gradients will lie: these are summed up when nothing multiplies any more.

Knows a program.
"""

from __future__ import annotations

from unrolled.engine.programs import Program, StageKind
from unrolled.engine.touches import touches

_Time = tuple[int, int]  # phase, and stage: the order in which stages run, but for the steps of the loop


def lodgings(program: Program) -> dict[int, int]:
    """The number of a matrix -> the slot of the parameter in whose gradient it can lie."""
    last_use = _last_uses(program)
    first_write = _first_writes(program)
    found: dict[int, int] = {}
    for number, matrix in enumerate(program.matrices):
        begin = first_write.get(matrix.slot)
        if begin is not None and last_use[number] < begin and matrix.slot not in found.values():
            found[number] = matrix.slot
    return found


def _last_uses(program: Program) -> dict[int, _Time]:
    """When each matrix is multiplied for the last time."""
    found: dict[int, _Time] = {}
    for at, stage in enumerate(program.stages):
        if stage.kind == StageKind.PRODUCT:
            number = program.products[stage.first].matrix
            found[number] = max(found.get(number, (0, 0)), _time(program, at))
    return found


def _first_writes(program: Program) -> dict[int | str, _Time]:
    """When the gradient of each parameter, by its slot, is written first."""
    found: dict[int | str, _Time] = {}
    for one in touches(program):
        buffer = program.buffers[one.buffer]
        if one.writes and buffer.kind == "gradient parameter":
            time = _time(program, one.stage)
            found[buffer.name] = min(found.get(buffer.name, time), time)
    return found


def _time(program: Program, at: int) -> _Time:
    return int(program.stages[at].phase), at
