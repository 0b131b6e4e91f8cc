"""Gradients that may lie over what the forward pass kept, once that has been read. Knows a program.

So the backward pass needs no memory for the gradients of an LSTM's gates: they take the gates' own places. Whether
somebody goes back a second time, and wants the gates then, is for the caller to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from unrolled.engine.phases import Phase
from unrolled.engine.programs import IN_BUFFER, Operand, Program, StageKind


class _Touch(NamedTuple):
    """Columns that a line of a stage reads or writes."""

    column: int
    width: int
    stage: int
    line: int


def overlays(program: Program) -> dict[int, int]:
    """Buffers that a program makes -> a kept one, of the same form, that each may lie over."""
    forms = {number: (one.span, one.width) for number, one in enumerate(program.buffers)}
    kept = {number for number in forms if program.buffers[number].kind == "kept"}
    found: dict[int, int] = {}
    for number, form in forms.items():
        if program.buffers[number].kind != "made" or form[0] != "history":
            continue
        for other in sorted(kept - set(found.values())):
            if forms[other] == form and _may_lie_over(program, number, other):
                found[number] = other
                break
    return found


def _may_lie_over(program: Program, made: int, kept: int) -> bool:
    """Whether every number that is kept is read by its last reader before, or as, another is written in its place."""
    reads = list(_touches(program, kept, writes=False))
    writes = list(_touches(program, made, writes=True))
    if None in reads or None in writes:
        return False
    return all(_follows(write, read) for write in writes for read in reads if write and read and _share(write, read))


def _share(one: _Touch, other: _Touch) -> bool:
    """Whether two touches have a column in common."""
    return one.column < other.column + other.width and other.column < one.column + one.width


def _follows(write: _Touch, read: _Touch) -> bool:
    """Whether the same thread has read a number when it writes over it: tile by tile, column by column."""
    is_same_place = (write.column, write.width, write.stage) == (read.column, read.width, read.stage)
    return is_same_place and read.line <= write.line


def _touches(program: Program, buffer: int, *, writes: bool) -> Iterator[_Touch | None]:
    """Every read, or every write, of a buffer; None for one that is not by elements of one step of the loop."""
    for number, stage in enumerate(program.stages):
        if stage.kind == StageKind.SEGMENT:
            for at in range(stage.first, stage.first + stage.length):
                line = program.instructions[at]
                for operand in [line.result] if writes else line.operands:
                    if _is_in(operand, buffer):
                        in_loop = stage.phase == Phase.LOOP
                        yield _Touch(operand.column, line.width, number, at) if in_loop else None
        elif stage.kind == StageKind.PRODUCT:
            product = program.products[stage.first]
            touched = [product.destination] if writes else [product.value, product.init]
            if any(home is not None and home.buffer == buffer for home in touched):
                yield None
        elif stage.kind == StageKind.SUM:
            one = program.sums[stage.first]
            touched = [one.destination] if writes else [one.value, one.gradient]
            if any(home is not None and home.buffer == buffer for home in touched):
                yield None


def _is_in(operand: Operand, buffer: int) -> bool:
    return operand.kind == IN_BUFFER and operand.number == buffer
