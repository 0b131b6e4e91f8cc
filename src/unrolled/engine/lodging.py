"""Matrices that can be packed where their own gradients will lie: these are summed up when nothing multiplies any more.

Knows a program.
"""

from __future__ import annotations

from unrolled.engine.programs import IN_BUFFER, Program, StageKind

_Time = tuple[int, int]  # phase, and stage: the order in which stages run, but for the steps of the loop


def lodgings(program: Program) -> dict[int, int]:
    """The number of a matrix -> the slot of the parameter in whose gradient it can lie."""
    last_use = _last_uses(program)
    found: dict[int, int] = {}
    for number, matrix in enumerate(program.matrices):
        begin = _first_touch(program, matrix.slot)
        if begin is not None and last_use[number] < begin and matrix.slot not in found.values():
            found[number] = matrix.slot
    return found


def _last_uses(program: Program) -> dict[int, _Time]:
    """When each matrix is multiplied for the last time."""
    found: dict[int, _Time] = {}
    for order, stage in enumerate(program.stages):
        if stage.kind == StageKind.PRODUCT:
            number, time = program.products[stage.first].matrix, (int(stage.phase), order)
            found[number] = max(found.get(number, time), time)
    return found


def _first_touch(program: Program, slot: int) -> _Time | None:
    """When the gradient of a parameter is written first; None where it has none."""
    buffers = {number for number, one in enumerate(program.buffers) if (one.kind, one.name) == _gradient(slot)}
    times = [(int(stage.phase), at) for at, stage in enumerate(program.stages) if buffers & _written(program, at)]
    return min(times, default=None)


def _gradient(slot: int) -> tuple[str, int]:
    return "gradient parameter", slot


def _written(program: Program, at: int) -> set[int]:
    """The buffers that a stage writes."""
    stage = program.stages[at]
    match stage.kind:
        case StageKind.SEGMENT:
            lines = program.instructions[stage.first : stage.first + stage.length]
            return {line.result.number for line in lines if line.result.kind == IN_BUFFER}
        case StageKind.PRODUCT:
            return {program.products[stage.first].destination.buffer}
        case StageKind.SUM:
            return {program.sums[stage.first].destination.buffer}
    return set()
