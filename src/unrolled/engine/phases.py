"""What is computed when: before the loop over time, in it, after it; and in which stage of each. Knows no memory.

Only matrix products are lifted out of the loop: they gain from all steps at once. What is cheap stays in the tile,
unless a lifted product needs it or it needs one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import IntEnum

from unrolled.equations.tape import Tape

PRODUCTS = ("product", "product_transposed")
SUMS = ("outer", "column_sum")
ALIASES = ("part",)


class Phase(IntEnum):
    """The numbers are those of native/unrolled.h."""

    ONCE = 0
    BEFORE = 1
    LOOP = 2
    AFTER = 3
    FINAL = 4


class Schedule:
    """The phase of every node, and the stage within it: segment 0, products 1, segment 1, products 2 ..."""

    def __init__(self, tape: Tape, carried: Iterable[int], carried_on: Iterable[int]) -> None:
        self.tape = tape
        self.users: dict[int, list[int]] = defaultdict(list)
        for place, node in enumerate(tape.nodes):
            for operand in node.operands:
                self.users[operand].append(place)
        self.phase = self._phases(set(carried), set(carried_on))
        self.stage = self._stages()

    def is_computed(self, place: int) -> bool:
        """Whether a node is neither given nor a number."""
        return self.tape.nodes[place].operation not in ("given", "number")

    def _phases(self, carried: set[int], carried_on: set[int]) -> list[Phase]:
        nodes = self.tape.nodes
        depends, summed = set(carried), set[int]()
        for place, node in enumerate(nodes):
            if depends.intersection(node.operands):
                depends.add(place)
            if node.operation in SUMS or summed.intersection(node.operands):
                summed.add(place)
        feeds = set(carried_on)
        for place in reversed(range(len(nodes))):
            if place in feeds:
                feeds.update(nodes[place].operands)
        phases: list[Phase] = []
        for place, node in enumerate(nodes):
            if self.tape.is_vector(place):
                phases.append(Phase.FINAL if place in summed else Phase.ONCE)
            elif node.operation not in PRODUCTS:
                phases.append(Phase.LOOP)
            elif place not in depends:
                phases.append(Phase.BEFORE)
            else:
                phases.append(Phase.LOOP if place in feeds else Phase.AFTER)
        self._move(phases)
        return phases

    def _move(self, phases: list[Phase]) -> None:
        """What a product before the loop needs comes before it; what needs a product after the loop comes after it."""
        nodes = self.tape.nodes
        for place in reversed(range(len(nodes))):
            if phases[place] == Phase.BEFORE:
                for operand in nodes[place].operands:
                    if phases[operand] == Phase.LOOP:
                        phases[operand] = Phase.BEFORE
        for place, node in enumerate(nodes):
            if phases[place] == Phase.LOOP and any(phases[operand] == Phase.AFTER for operand in node.operands):
                phases[place] = Phase.AFTER

    def _stages(self) -> list[int]:
        nodes = self.tape.nodes
        stage = [0] * len(nodes)
        for place, node in enumerate(nodes):
            within = [one for one in node.operands if self.phase[one] == self.phase[place] and self.is_computed(one)]
            if node.operation in PRODUCTS:
                stage[place] = max([1, *(self._product_after(node.operands, one, stage) for one in within)])
            else:
                stage[place] = max([0, *(stage[one] for one in within)])
        for place in reversed(range(len(nodes))):  # as late as its users allow: near them, and fewer values to keep
            node = nodes[place]
            if node.operation in (*PRODUCTS, *SUMS) or not self.is_computed(place):
                continue
            users = [one for one in self.users[place] if self.phase[one] == self.phase[place]]
            if users and not any(nodes[one].operation in SUMS for one in users):
                latest = min(stage[one] - (nodes[one].operation in PRODUCTS) for one in users)
                stage[place] = max(stage[place], latest)
        return stage

    def _product_after(self, operands: Sequence[int], one: int, stage: list[int]) -> int:
        """The stage of a product because of one of its operands; a product that it starts from may be of the same."""
        is_product = self.tape.nodes[one].operation in PRODUCTS
        if is_product and one not in operands[:2]:
            return stage[one]
        return stage[one] + 1
