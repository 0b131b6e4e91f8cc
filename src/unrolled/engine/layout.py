"""Where the buffers of a program lie, for so many steps and rows. Knows sizes, no tensors."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from unrolled.engine.homes import Buffer
from unrolled.engine.programs import Program

# What memory a buffer lies in: a tensor of its own, by its kind and name; or one of the two that all share that nobody
# outside the engine sees: what the backward pass reads again, and what nobody does.
Base = tuple[str, str | int]
KEPT: Base = ("kept", "")
SCRATCH: Base = ("scratch", "")

_LINE = 64  # bytes of a cache line
_COLLISION = 2048  # bytes: rows that lie a multiple apart share few places of a cache


class Place(NamedTuple):
    """A buffer begins so many bytes behind the begin of its memory; rows and steps lie so many elements apart."""

    base: Base
    offset: int
    row: int
    step: int


@dataclass
class Layout:
    """A place for each buffer; the bytes of the two shared memories; the shapes of tensors that the program fills."""

    places: list[Place] = field(default_factory=list)
    sizes: dict[Base, int] = field(default_factory=lambda: {KEPT: 0, SCRATCH: 0})
    filled: dict[Base, tuple[int, ...]] = field(default_factory=dict)


def laid_out(
    program: Program,
    steps: int,
    batch: int,
    item: int,
    *,
    reverse: bool,
    read_again: Set[int] = frozenset(),
    kept: Mapping[int, Place] = MappingProxyType({}),
    over: Mapping[int, int] = MappingProxyType({}),
) -> Layout:
    """Lay a program out.

    Args:
        program: what will run.
        steps: of the sequences.
        batch: how many there are.
        item: bytes of a number.
        reverse: the sequences run from the last step to the first.
        read_again: the numbers of the buffers that another program reads later.
        kept: by number, where those of an earlier program lie that this one reads.
        over: buffers, and those of the earlier program's that they lie over.
    """
    return _Laying(program, steps, batch, item, reverse, read_again, kept, over).layout


class _Laying:
    def __init__(
        self,
        program: Program,
        steps: int,
        batch: int,
        item: int,
        reverse: bool,
        read_again: Set[int],
        kept: Mapping[int, Place],
        over: Mapping[int, int],
    ) -> None:
        self.steps = steps
        self.batch = batch
        self.item = item
        self.reverse = reverse
        self.read_again = read_again
        self.kept = kept
        self.in_place = program.in_place
        self.layout = Layout()
        for number in range(len(program.buffers)):
            self.layout.places.append(self._place(number, program.buffers[over.get(number, number)]))

    def _place(self, number: int, buffer: Buffer) -> Place:
        width, name = buffer.width, buffer.name
        match buffer.kind:
            case "before" | "after":
                return self._carried(("history", name), width, is_later=(buffer.kind == "after") != self.reverse)
            case "gradient state before" | "gradient state after":
                if number in self.in_place:
                    return Place(("gradient history", name), 0, width, 0)
                is_later = (buffer.kind == "gradient state after") != self.reverse
                return self._carried(("gradient history", name), width, is_later=is_later)
            case "reset" | "valid":
                return Place((buffer.kind, ""), 0, 1, self.batch)
            case "parameter":
                return Place(("parameter", name), 0, 0, 0)
            case "kept":
                assert isinstance(name, int)
                return self.kept[name]
            case "made":
                return self._made(number, buffer)
        self.layout.filled[buffer.kind, name] = self._shape(buffer.span, width)
        return self._spread((buffer.kind, name), 0, buffer.span, width)

    def _carried(self, base: Base, width: int, *, is_later: bool) -> Place:
        return Place(base, is_later * self.batch * width * self.item, width, self.batch * width)

    def _made(self, number: int, buffer: Buffer) -> Place:
        """Behind what lies in the shared memory already."""
        width = buffer.width
        if width * self.item % _COLLISION == 0:
            width += _LINE // self.item  # else all rows would fall on each other in a cache
        base = KEPT if number in self.read_again else SCRATCH
        start = self.layout.sizes[base]
        size = self.item
        for one in self._shape(buffer.span, width):
            size *= one
        self.layout.sizes[base] = start + -(-size // _LINE) * _LINE
        return self._spread(base, start, buffer.span, width)

    def _shape(self, span: str, width: int) -> tuple[int, ...]:
        return {"history": (self.steps, self.batch, width), "step": (self.batch, width), "vector": (width,)}[span]

    def _spread(self, base: Base, offset: int, span: str, width: int) -> Place:
        row, step = {"history": (width, self.batch * width), "step": (width, 0), "vector": (0, 0)}[span]
        return Place(base, offset, row, step)
