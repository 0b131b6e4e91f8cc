"""Where values lie: in which buffer, from which column on, or in a register of the tile. Knows no threads.

A buffer holds all steps (`history`), one step (`step`), or no rows at all (`vector`). A sum that a product adds to lies
where the result will; the parts of a product give their room to what is computed from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from unrolled.engine.phases import ALIASES, PRODUCTS, SUMS, Phase, Schedule
from unrolled.equations.tape import Tape
from unrolled.equations.width import Width

_NOT_BY_ELEMENTS = (*PRODUCTS, *SUMS, *ALIASES, "concat", "pad", "normalised", "normalised_gradient")


@dataclass(frozen=True)
class Buffer:
    """Memory that a program computes with. `kind`: what it is for; `span`: history, step or vector; `width`: units."""

    kind: str
    name: str | int
    span: str
    width: int


@dataclass(frozen=True)
class Home:
    """A value's place in memory: columns of a buffer."""

    buffer: int
    column: int


class Homes:
    """A home for every value that needs one; the others live in registers."""

    def __init__(
        self,
        schedule: Schedule,
        resolve: Callable[[Width], int],
        given: Mapping[int, tuple[Buffer, int]],
        results: Mapping[int, Buffer],
        kept: set[int],
        copied: set[int],
    ) -> None:
        """`given`: leaves, with their buffers and first columns; `results`: values and where they have to go; `kept`:
        values that may lie anywhere, but are kept for all steps; `copied`: those that are read at the end of a stage.
        """
        self.schedule = schedule
        self.tape: Tape = schedule.tape
        self.buffers: list[Buffer] = []
        self.of: dict[int, Home] = {}
        self._resolve = resolve
        self._kept = kept
        self._copied = copied
        self._results = set(results)
        for place, (buffer, column) in given.items():
            self.of[place] = Home(self.buffer(buffer), column)
        for place, buffer in results.items():
            self.of[place] = Home(self.buffer(buffer), 0)
        self._given = set(given)
        for place in reversed(range(len(self.tape.nodes))):
            if place not in self._given and schedule.is_computed(place):
                self._settle(place)
        for place, node in enumerate(self.tape.nodes):
            if node.operation in ALIASES:
                self._alias(place)

    def width(self, place: int) -> int:
        """How many units a value has."""
        width = self.tape.nodes[place].width
        return 1 if width is None else self._resolve(width)

    def resolve(self, text: str) -> int:
        """A width in the attributes of a node, in units."""
        return self._resolve(Width.parse(text))

    def buffer(self, buffer: Buffer) -> int:
        """The number of a buffer."""
        if buffer not in self.buffers:
            self.buffers.append(buffer)
        return self.buffers.index(buffer)

    def _settle(self, place: int) -> None:
        """Give a value a home if it needs one, and then those that it can share its home with."""
        node = self.tape.nodes[place]
        if node.operation in ALIASES and place not in self._results:
            return
        if place not in self.of:
            shared = self._room_of_an_operand(place)
            if shared is not None:
                self.of[place] = shared
                return  # until it is computed the room is that operand's: nothing else may be written there
            if self._needs_memory(place):
                self.of[place] = Home(self.buffer(Buffer("made", place, self._span(place), self._size(place))), 0)
        if place in self.of:
            self._share(place, self.of[place])

    def _share(self, place: int, home: Home) -> None:
        """Let operands lie where the result will, as far as they can."""
        node = self.tape.nodes[place]
        if node.operation in PRODUCTS:
            for init in node.operands[2:]:
                self._lend(init, home)
        elif node.operation == "concat":
            self._lend_pieces(place, home)
        elif self.buffers[home.buffer].span == "history":
            for operand in node.operands:
                is_product = self.tape.nodes[operand].operation in PRODUCTS
                if is_product and self.width(operand) == self.width(place) and self._lend(operand, home):
                    break  # there is room for one

    def _size(self, place: int) -> int:
        node = self.tape.nodes[place]
        return self.width(place) * (self.resolve(node.attributes["columns"]) if node.operation == "outer" else 1)

    def _lend(self, operand: int, home: Home) -> bool:
        """Let an operand lie where the result will, if nobody else needs it; whether it does."""
        is_sole_use = len(self.schedule.users[operand]) == 1 and self.tape.nodes[operand].operation not in ALIASES
        has_room = self.schedule.phase[operand] == Phase.LOOP or self.buffers[home.buffer].span == "history"
        if not (self._is_free(operand) and is_sole_use and has_room) or self.tape.is_vector(operand):
            return False
        self.of[operand] = home
        return True

    def _is_free(self, place: int) -> bool:
        return place not in self.of and place not in self._kept and self.schedule.is_computed(place)

    def _lend_pieces(self, place: int, home: Home) -> None:
        column = home.column
        for piece in self.tape.nodes[place].operands:
            same_stage = (self.schedule.phase[piece], self.schedule.stage[piece]) == (
                self.schedule.phase[place],
                self.schedule.stage[place],
            )
            plain = self.tape.nodes[piece].operation not in (*ALIASES, *PRODUCTS)
            lasts = self.buffers[home.buffer].span == "history" or self._span(piece) == "step"
            if self._is_free(piece) and plain and same_stage and lasts and not self.tape.is_vector(piece):
                self.of[piece] = Home(home.buffer, column)
            column += self.width(piece)

    def _room_of_an_operand(self, place: int) -> Home | None:
        """For a value that is kept: a part of a product that is read for it alone, and in the same tile."""
        if place not in self._kept or self.tape.nodes[place].operation in (*PRODUCTS, *SUMS, "concat"):
            return None
        for part in self._parts_behind(place, self.width(place)):
            node = self.tape.nodes[part]
            if part in self._kept | self._copied:
                continue
            whole = node.operands[0]
            users = self.schedule.users[whole]
            is_product = self.tape.nodes[whole].operation in PRODUCTS and whole not in self._kept
            only_cut = all(self.tape.nodes[one].operation == "part" for one in users)
            if is_product and only_cut and whole not in self._results and self._are_apart(users):
                if whole not in self.of:
                    self.of[whole] = Home(self.buffer(Buffer("made", whole, "history", self.width(whole))), 0)
                if self.buffers[self.of[whole].buffer].span == "history":
                    return Home(self.of[whole].buffer, self.of[whole].column + self.resolve(node.attributes["start"]))
        return None

    def _parts_behind(self, place: int, width: int) -> Iterator[int]:
        """The parts of other values that are read for this one alone, if need be through values of the same tile."""
        for operand in self.tape.nodes[place].operands:
            if self.schedule.users[operand] != [place] or self.width(operand) != width:
                continue
            operation = self.tape.nodes[operand].operation
            if operation == "part":
                yield operand
            elif operation not in _NOT_BY_ELEMENTS and self._is_free(operand) and not self._is_far(operand, place):
                yield from self._parts_behind(operand, width)

    def _are_apart(self, parts: list[int]) -> bool:
        """Whether no two parts share a column."""
        spans = sorted((self.resolve(self.tape.nodes[one].attributes["start"]), self.width(one)) for one in parts)
        return all(start + width <= after for (start, width), (after, _) in pairwise(spans))

    def _needs_memory(self, place: int) -> bool:
        node = self.tape.nodes[place]
        if node.operation in (*PRODUCTS, *SUMS, "concat", "pad") or place in self._kept or self.tape.is_vector(place):
            return True
        return any(self._is_far(place, user) for user in self.schedule.users[place])

    def _is_far(self, place: int, user: int) -> bool:
        """Whether a user cannot read the value in the tile where it was computed."""
        schedule = self.schedule
        if self.tape.nodes[user].operation in (*PRODUCTS, *SUMS, *ALIASES):
            return True
        here, there = (schedule.phase[place], schedule.stage[place]), (schedule.phase[user], schedule.stage[user])
        return here != there

    def _span(self, place: int) -> str:
        """A value that is read within its own step only, and by no product, need not be kept for all steps."""
        if self.tape.is_vector(place):
            return "vector"
        is_kept = place in self._kept or any(
            one in self._kept for one in self.schedule.users[place] if self.tape.nodes[one].operation in ALIASES
        )
        starts_before = any(
            self.schedule.phase[one] == Phase.BEFORE
            for one in self.tape.nodes[place].operands[2:]
            if self.tape.nodes[place].operation in PRODUCTS
        )
        if self.schedule.phase[place] != Phase.LOOP or is_kept or starts_before:
            return "history"
        return "history" if self._is_read_later(place) else "step"

    def _is_read_later(self, place: int) -> bool:
        for user in self.schedule.users[place]:
            node = self.tape.nodes[user]
            if node.operation in (*SUMS, *PRODUCTS) and place in node.operands[:2]:
                return True
            if self.schedule.phase[user] != Phase.LOOP or (node.operation in ALIASES and self._is_read_later(user)):
                return True
        return False

    def _alias(self, place: int) -> None:
        node = self.tape.nodes[place]
        whole = self.of[node.operands[0]]
        home = Home(whole.buffer, whole.column + self.resolve(node.attributes["start"]))
        self.of.setdefault(place, home)
