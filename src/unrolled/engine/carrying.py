"""Carried gradients that need not be kept for all steps: the next one lies over the one before. Knows a program."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.engine.phases import Phase
from unrolled.engine.programs import IN_BUFFER, Instruction, Product, Program, StageKind


def in_place(program: Program, leaf: int, result: int) -> set[int]:
    """The buffers of a carried gradient as the step begins and as it ends, if the second may lie over the first.

    So it is if the first was read, by elements, when the second is written, and no other phase reads either.
    """
    begins, ends = program.homes[leaf], program.homes.get(result)
    if ends is None or program.buffers[ends.buffer].kind != "gradient state before":
        return set()
    reads = [use for use in _uses(program, begins.buffer) if not use.writes]
    writes = [use for use in _uses(program, ends.buffer) if use.writes]
    others = [use for use in _uses(program, ends.buffer) if not use.writes]
    if len(writes) != 1 or others or any(use.phase != Phase.LOOP or use.is_whole for use in (*reads, *writes)):
        return set()
    return {begins.buffer, ends.buffer} if all(use.when <= writes[0].when for use in reads) else set()


def _uses(program: Program, buffer: int) -> list[_Use]:
    """Every read and write of a buffer, but a product's of the sum that it adds to in place."""
    found: list[_Use] = []
    for number, stage in enumerate(program.stages):
        if stage.kind == StageKind.SEGMENT:
            for line in range(stage.first, stage.first + stage.length):
                found += _uses_of_line(program.instructions[line], buffer, stage.phase, (number, line))
        elif stage.kind == StageKind.PRODUCT:
            found += _uses_of_product(program.products[stage.first], buffer, stage.phase, (number, 0))
        else:
            one = program.sums[stage.first]
            read = [one.value, *([] if one.gradient is None else [one.gradient])]
            found += [_Use(stage.phase, (number, 0), False, True) for home in read if home.buffer == buffer]
    return found


class _Use(NamedTuple):
    """A read or a write of a buffer: in which phase, when, and whether as a whole, by all threads."""

    phase: int
    when: tuple[int, int]
    writes: bool
    is_whole: bool


def _uses_of_line(one: Instruction, buffer: int, phase: int, when: tuple[int, int]) -> list[_Use]:
    reads = [operand for operand in one.operands if operand.kind == IN_BUFFER and operand.number == buffer]
    writes = [one.result] if one.result.kind == IN_BUFFER and one.result.number == buffer else []
    return [_Use(phase, when, False, False)] * len(reads) + [_Use(phase, when, True, False)] * len(writes)


def _uses_of_product(one: Product, buffer: int, phase: int, when: tuple[int, int]) -> list[_Use]:
    found = [_Use(phase, when, False, True)] if one.value.buffer == buffer else []
    if one.init == one.destination:
        return found
    if one.init is not None and one.init.buffer == buffer:
        found.append(_Use(phase, when, False, False))
    if one.destination.buffer == buffer:
        found.append(_Use(phase, when, True, False))
    return found
