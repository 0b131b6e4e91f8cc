"""Where threads that share a loop by units have to meet. Knows stages and the memory that they touch.

Each thread has a range of the units of every product and of every sliced segment, and a range of the rows of everything
else. A stage may begin without waiting if what it touches, others do not touch since the last meeting, or only read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from unrolled.engine.phases import Phase
from unrolled.engine.programs import Program, StageKind
from unrolled.engine.touches import Touch, touches_of


class _Share(NamedTuple):
    """What one of several threads reads or writes.

    `width` says of which units: the share that a thread has of so many, laid from `column` on, again and again; 0: all
    units of its rows; -1: everything.
    """

    memory: tuple[object, ...]
    writes: bool
    width: int
    column: int

    def meets(self, other: _Share) -> bool:
        """Whether two threads can touch the same, and one of them writes."""
        if self.memory != other.memory or not (self.writes or other.writes):
            return False
        is_same = self.width == other.width and self.width >= 0
        return not is_same or (self.width > 0 and (self.column - other.column) % self.width != 0)


def set_barriers(program: Program) -> None:
    """Cut the products of the loop as the segments that go on with them, and mark the stages that have to wait."""
    places = [at for at, stage in enumerate(program.stages) if stage.phase == Phase.LOOP]
    for order, at in enumerate(places):
        if program.stages[at].kind == StageKind.SEGMENT and program.stages[at].sliced:
            for before in _products_before(program, places, order):
                _cut(program, before, program.stages[at].sliced)
    waits: set[int] = set()
    since: list[_Share] = []
    for step in (0, 1):  # of the second step, what the first has left is known
        for at in places:
            shares = [_share(program, touch, step) for touch in touches_of(program, at)]
            if any(one.meets(other) for one in shares for other in since):
                waits.add(at)
                since = []
            since += shares
    for at in places:
        program.stages[at] = program.stages[at]._replace(barrier=at in waits)


def _products_before(program: Program, places: list[int], order: int) -> Iterator[int]:
    """The products directly before a segment of the loop."""
    for at in reversed(places[:order]):
        if program.stages[at].kind != StageKind.PRODUCT:
            return
        yield program.stages[at].first


def _cut(program: Program, product: int, width: int) -> None:
    """Cut a product's columns into parts as wide as a segment, if that is possible."""
    number = program.products[product].matrix
    matrix = program.matrices[number]
    wide = matrix.columns if matrix.transposed else matrix.rows
    if wide % width == 0 and matrix.parts in (1, wide // width):
        program.matrices[number] = matrix._replace(parts=wide // width)


def _share(program: Program, touch: Touch, step: int) -> _Share:
    """What a thread has of what a stage touches, in that step of the loop."""
    return _Share(_memory(program, touch.buffer, step), touch.writes, _width(program, touch), touch.column)


def _width(program: Program, touch: Touch) -> int:
    if touch.is_whole:
        return -1
    stage = program.stages[touch.stage]
    if stage.kind == StageKind.PRODUCT:
        return touch.width // program.matrices[program.products[stage.first].matrix].parts
    return stage.sliced


def _memory(program: Program, number: int, step: int) -> tuple[object, ...]:
    """What tells apart the memory that a buffer means in that step of the loop.

    A carried value as a step ends is the same memory as that value as the next one begins.
    """
    buffer = program.buffers[number]
    if number in program.in_place:
        return "in place", buffer.name
    match buffer.kind:
        case "before" | "gradient state after":
            return "carried", buffer.name, step
        case "after" | "gradient state before":
            return "carried", buffer.name, step + 1
    return (number, step) if buffer.span == "history" else (number,)
