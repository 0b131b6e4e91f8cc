"""Sums of products, written so that each product starts from the sum before it. Knows nodes, no memory.

`add(linear(x, Wx, bx), linear(h, Wh, bh))` becomes product(h, Wh, init=product(x, Wx, init=add(bx, bh))): the first
product can leave the loop over time and hold both biases, and the second adds to what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unrolled.equations.tape import Tape

_LINEAR = ("linear", "linear_transposed")


@dataclass
class _Terms:
    """What a sum is made of."""

    vectors: list[int]
    values: list[int]
    products: list[int]


def fused(
    tape: Tape, roots: Iterable[int], given: Iterable[int], carried: Iterable[int]
) -> tuple[Tape, dict[int, int]]:
    """What the roots need, on a tape of its own, and where each place of the old tape stands there.

    `given` are not computed; `carried`, of them, differ from step to step: products of these come last in a sum. A
    product is a node `product(value, matrix[, init])` or `product_transposed(...)`.
    """
    return _Fusion(tape, list(roots), set(given), set(carried)).run()


class _Fusion:
    def __init__(self, tape: Tape, roots: Sequence[int], given: set[int], carried: set[int]) -> None:
        self._old = tape
        self._roots = roots
        self._given = given
        self._new = Tape()
        self._places: dict[int, int] = {}
        needed = self._needed()
        self._uses = Counter(operand for place in needed for operand in tape.nodes[place].operands)
        self._uses.update(roots)
        self._order = needed
        self._changing = set(carried)
        for place in needed:
            if self._changing.intersection(tape.nodes[place].operands):
                self._changing.add(place)

    def run(self) -> tuple[Tape, dict[int, int]]:
        for place in self._order:
            if not self._is_inside_a_sum(place):
                self._places[place] = self._written(place)
        return self._new, self._places

    def _needed(self) -> list[int]:
        """Every place that the roots depend on, in order, down to what is given."""
        needed: set[int] = set()
        waiting = list(self._roots)
        while waiting:
            place = waiting.pop()
            if place not in needed:
                needed.add(place)
                if place not in self._given:
                    waiting += self._old.nodes[place].operands
        return sorted(needed)

    def _is_inside_a_sum(self, place: int) -> bool:
        """Whether it is a term of one sum only, and is written there."""
        node = self._old.nodes[place]
        if self._uses[place] != 1 or place in self._given or self._old.is_vector(place):
            return False
        if node.operation not in _LINEAR and not self._is_sum(place):
            return False
        return any(place in self._old.nodes[one].operands for one in self._order if self._is_sum(one))

    def _is_sum(self, place: int) -> bool:
        node = self._old.nodes[place]
        if place in self._given or node.operation != "add" or self._old.is_vector(place):
            return False
        return all(self._old.nodes[operand].operation != "number" for operand in node.operands)

    def _written(self, place: int) -> int:
        node = self._old.nodes[place]
        if node.operation == "number":
            return self._new.number(node.attributes["value"])
        if place in self._given or not node.operands:
            return self._new.leaf("given", node.width, place=place, vector=self._old.is_vector(place))
        if self._is_sum(place):
            return self._sum(self._terms(place))
        if node.operation in _LINEAR:
            return self._sum(_Terms(self._biases(place), [], [place]))
        operands = [self._places[operand] for operand in node.operands]
        return self._new.apply(node.operation, *operands, wide=node.width, **node.attributes)

    def _terms(self, place: int) -> _Terms:
        terms = _Terms([], [], [])
        for operand in self._old.nodes[place].operands:
            if not self._is_inside_a_sum(operand):
                (terms.vectors if self._old.is_vector(operand) else terms.values).append(operand)
            elif self._old.nodes[operand].operation == "add":
                inner = self._terms(operand)
                terms.vectors += inner.vectors
                terms.values += inner.values
                terms.products += inner.products
            else:
                terms.vectors += self._biases(operand)
                terms.products.append(operand)
        return terms

    def _biases(self, place: int) -> list[int]:
        return list(self._old.nodes[place].operands[2:])

    def _sum(self, terms: _Terms) -> int:
        """Vectors first, then products that are the same in every order of time, values, and the loop's products."""
        total = self._added(None, [self._places[place] for place in terms.vectors])
        early = [place for place in terms.products if not self._changes(place)]
        late = [place for place in terms.products if self._changes(place)]
        for place in early:
            total = self._product(place, total)
        total = self._added(total, [self._places[place] for place in terms.values])
        for place in late:
            total = self._product(place, total)
        assert total is not None, "a sum has terms"
        return total

    def _changes(self, place: int) -> bool:
        return self._old.nodes[place].operands[0] in self._changing

    def _added(self, total: int | None, places: list[int]) -> int | None:
        for place in places:
            total = place if total is None else self._new.apply("add", total, place)
        return total

    def _product(self, place: int, init: int | None) -> int:
        node = self._old.nodes[place]
        operands = [self._places[operand] for operand in node.operands[:2]]
        operation = "product" if node.operation == "linear" else "product_transposed"
        return self._new.apply(operation, *operands, *([] if init is None else [init]), wide=node.width)
