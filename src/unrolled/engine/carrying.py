"""Carried gradients that need not be kept for all steps: the next one lies over the one before. Knows a program."""

from __future__ import annotations

from unrolled.engine.phases import Phase
from unrolled.engine.programs import Program, StageKind
from unrolled.engine.touches import Touch, touches


def in_place(program: Program, leaf: int, result: int) -> set[int]:
    """The buffers of a carried gradient as the step begins and as it ends, if the second may lie over the first.

    So it is if the first was read, by elements, when the second is written, and no other phase reads either.
    """
    begins, ends = program.homes[leaf], program.homes.get(result)
    if ends is None or program.buffers[ends.buffer].kind != "gradient state before":
        return set()
    every = [one for one in touches(program) if not _adds_in_place(program, one)]
    reads = [one for one in every if one.buffer == begins.buffer and not one.writes]
    writes = [one for one in every if one.buffer == ends.buffer and one.writes]
    others = [one for one in every if one.buffer == ends.buffer and not one.writes]
    if len(writes) != 1 or others or not all(_is_by_element(program, one) for one in (*reads, *writes)):
        return set()
    (write,) = writes
    return {begins.buffer, ends.buffer} if all(one.when <= write.when for one in reads) else set()


def _is_by_element(program: Program, one: Touch) -> bool:
    return program.stages[one.stage].phase == Phase.LOOP and not one.is_whole


def _adds_in_place(program: Program, one: Touch) -> bool:
    """Whether it belongs to the sum that a product adds to where it lies."""
    stage = program.stages[one.stage]
    if stage.kind != StageKind.PRODUCT or one.is_whole:
        return False
    product = program.products[stage.first]
    return product.init == product.destination
