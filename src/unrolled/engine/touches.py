"""What each stage of a program reads and writes. Knows a program, no threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from unrolled.engine.homes import Home
from unrolled.engine.programs import IN_BUFFER, Instruction, Operand, Product, Program, StageKind


class Touch(NamedTuple):
    """A read or a write: `width` columns of a buffer, from `column` on, of the rows that the thread has.

    `stage` and `line`: by which stage of the program, and by which of its instructions (0 where it has none).
    `is_whole`: the stage goes over all rows and columns before it writes any.
    """

    buffer: int
    column: int
    width: int
    writes: bool
    stage: int
    line: int = 0
    is_whole: bool = False

    @property
    def when(self) -> tuple[int, int]:
        """Its place in the order of the program, phases aside."""
        return self.stage, self.line


def touches(program: Program) -> Iterator[Touch]:
    """What all stages read and write, in their order."""
    for at in range(len(program.stages)):
        yield from touches_of(program, at)


def touches_of(program: Program, at: int) -> Iterator[Touch]:
    """What a stage reads and writes."""
    stage = program.stages[at]
    match stage.kind:
        case StageKind.SEGMENT:
            for line in range(stage.first, stage.first + stage.length):
                yield from _of_line(program.instructions[line], at, line)
        case StageKind.PRODUCT:
            yield from _of_product(program, program.products[stage.first], at)
        case StageKind.SUM:
            one = program.sums[stage.first]
            if one.gradient is not None:
                yield _touch(one.gradient, one.rows, at, is_whole=True)
            yield _touch(one.value, one.columns, at, is_whole=True)
            yield _touch(one.destination, one.rows * one.columns, at, writes=True, is_whole=True)
        case StageKind.LOOKUP:
            lookup = program.lookups[stage.first]
            yield Touch(lookup.ids, 0, 1, False, at)
            yield Touch(lookup.destination, 0, lookup.width, True, at)
        case StageKind.CHOICE:
            choice = program.choices[stage.first]
            yield Touch(choice.logits, 0, choice.width, False, at)
            yield Touch(choice.ids, 0, 1, True, at)


def _of_line(one: Instruction, at: int, line: int) -> Iterator[Touch]:
    def touch(operand: Operand, *, writes: bool) -> Iterator[Touch]:
        if operand.kind == IN_BUFFER:
            yield Touch(operand.number, operand.column, one.width, writes, at, line)

    for operand in one.operands:
        yield from touch(operand, writes=False)
    yield from touch(one.result, writes=True)


def _of_product(program: Program, one: Product, at: int) -> Iterator[Touch]:
    matrix = program.matrices[one.matrix]
    deep, wide = (matrix.rows, matrix.columns) if matrix.transposed else (matrix.columns, matrix.rows)
    yield _touch(one.value, deep, at, is_whole=True)
    if one.init is not None:
        yield _touch(one.init, wide, at)
    yield _touch(one.destination, wide, at, writes=True)


def _touch(home: Home, width: int, at: int, *, writes: bool = False, is_whole: bool = False) -> Touch:
    return Touch(home.buffer, home.column, width, writes, at, 0, is_whole)
