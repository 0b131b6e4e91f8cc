"""Gradients that may lie over what the forward pass kept, once that has been read. Knows a program.

So the backward pass needs no memory for the gradients of an LSTM's gates: they take the gates' own places. Whether
somebody goes back a second time, and wants the gates then, is for the caller to know.
"""

from __future__ import annotations

from unrolled.engine.phases import Phase
from unrolled.engine.programs import Program, StageKind
from unrolled.engine.touches import Touch, touches


def overlays(program: Program) -> dict[int, int]:
    """Buffers that a program makes -> a kept one, of the same form, that each may lie over."""
    forms = {number: (one.span, one.width) for number, one in enumerate(program.buffers)}
    kept = {number for number in forms if program.buffers[number].kind == "kept"}
    every = list(touches(program))
    found: dict[int, int] = {}
    for number, form in forms.items():
        if program.buffers[number].kind != "made" or form[0] != "history":
            continue
        for other in sorted(kept - set(found.values())):
            if forms[other] == form and _may_lie_over(program, every, number, other):
                found[number] = other
                break
    return found


def _may_lie_over(program: Program, every: list[Touch], made: int, kept: int) -> bool:
    """Whether every number that is kept is read by its last reader before, or as, another is written in its place."""
    reads = [one for one in every if one.buffer == kept and not one.writes]
    writes = [one for one in every if one.buffer == made and one.writes]
    if not all(_is_in_a_segment_of_the_loop(program, one) for one in (*reads, *writes)):
        return False
    return all(_follows(write, read) for write in writes for read in reads if _share(write, read))


def _is_in_a_segment_of_the_loop(program: Program, one: Touch) -> bool:
    stage = program.stages[one.stage]
    return stage.kind == StageKind.SEGMENT and stage.phase == Phase.LOOP


def _share(one: Touch, other: Touch) -> bool:
    """Whether two touches have a column in common."""
    return one.column < other.column + other.width and other.column < one.column + one.width


def _follows(write: Touch, read: Touch) -> bool:
    """Whether the same thread has read a number when it writes over it: tile by tile, column by column."""
    is_same_place = (write.column, write.width, write.stage) == (read.column, read.width, read.stage)
    return is_same_place and read.line <= write.line
