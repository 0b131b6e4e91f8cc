"""What a graph computes, however it is cut: each gate by itself, with its own rows of the matrices. Writes nothing.

`i, f = affine(x, h, parts=2)` and `i, f = affine(x, h), affine(x, h)` have the same form: a part of a product is the
product with a part of the matrix. Two graphs of the same form compute the same from parameters in other places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from unrolled.equations import Graph, Width
from unrolled.equations.operations import BINARY, UNARY

_COMMUTE = ("add", "multiply", "maximum", "minimum")


@dataclass(frozen=True)
class Rows:
    """A run of rows of the parameter in a slot."""

    slot: int
    start: Width
    width: Width


class Term(NamedTuple):
    """An operation on terms, which are named by their places; `of`: what else tells one from another."""

    operation: str
    of: object
    operands: tuple[int, ...]


class Form:
    """The terms of a graph, the same one never twice. `roots`: those of its output and of its states as a step ends."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.terms: list[Term] = []
        self._places: dict[Term, int] = {}
        self._known: dict[tuple[int, Width, Width | None], int] = {}
        ends = (graph.output, *(one.after for one in graph.states))
        self.roots = [self._whole(place) for place in ends]

    def _whole(self, place: int) -> int:
        return self._cut(place, Width(), self.graph.nodes[place].width)

    def _cut(self, place: int, start: Width, width: Width | None) -> int:
        """The term of the units of a node from `start` on."""
        key = (place, start, width)
        if key not in self._known:
            term = self._term(place, start, width)
            self._known[key] = term if isinstance(term, int) else self._place(term)
        return self._known[key]

    def _place(self, term: Term) -> int:
        if term not in self._places:
            self._places[term] = len(self.terms)
            self.terms.append(term)
        return self._places[term]

    def _term(self, place: int, start: Width, width: Width | None) -> Term | int:
        node = self.graph.nodes[place]
        if node.operation in (*UNARY, *BINARY):
            return Term(node.operation, None, tuple(self._cut_of(one, start, width) for one in node.operands))
        if node.operation == "part":
            return self._cut(node.operands[0], start + Width.parse(node.attributes["start"]), width)
        if node.operation == "parameter" and width is not None:
            return Term("parameter", Rows(node.attributes["slot"], start, width), ())
        if node.operation == "linear":
            value, *arrays = node.operands
            return Term("linear", None, (self._whole(value), *(self._cut(one, start, width) for one in arrays)))
        if node.operation == "number":
            return Term("number", node.attributes["value"], ())
        if node.operation in ("input", "state") and (start, width) == (Width(), node.width):
            return Term(node.operation, self._state(place), ())
        return Term("other", place, ())

    def _cut_of(self, operand: int, start: Width, width: Width | None) -> int:
        return self._whole(operand) if self.graph.nodes[operand].width is None else self._cut(operand, start, width)

    def _state(self, place: int) -> tuple[int, str] | None:
        """Which of the states it is, and how wide."""
        every = [(number, str(one.width)) for number, one in enumerate(self.graph.states) if one.before == place]
        return every[0] if every else None


def same(pattern: Form, other: Form) -> Mapping[Rows, Rows] | None:
    """Where the other graph has what stands in the pattern's parameters, if both compute the same; else None.

    Sums and products may stand the other way round.
    """
    if len(pattern.roots) != len(other.roots):
        return None
    found: dict[int, int] = {}
    for mine, theirs in zip(pattern.roots, other.roots, strict=True):
        matched = _matched(pattern, other, mine, theirs, found)
        if matched is None:
            return None
        found = matched
    rows = {pattern.terms[mine].of: other.terms[theirs].of for mine, theirs in found.items()}
    return {mine: theirs for mine, theirs in rows.items() if isinstance(mine, Rows) and isinstance(theirs, Rows)}


def _matched(pattern: Form, other: Form, mine: int, theirs: int, found: dict[int, int]) -> dict[int, int] | None:
    """`found`, and what follows if the term `mine` is `theirs`; None where that cannot be."""
    if mine in found:
        return found if found[mine] == theirs else None
    a, b = pattern.terms[mine], other.terms[theirs]
    if a.operation != b.operation or len(a.operands) != len(b.operands) or not _alike(a, b):
        return None
    for order in _orders(b):
        matched: dict[int, int] | None = found
        for one, two in zip(a.operands, order, strict=True):
            matched = None if matched is None else _matched(pattern, other, one, two, matched)
        if matched is not None:
            return {**matched, mine: theirs}
    return None


def _alike(a: Term, b: Term) -> bool:
    if isinstance(a.of, Rows) and isinstance(b.of, Rows):
        return a.of.width == b.of.width
    return a.operation != "other" and a.of == b.of


def _orders(term: Term) -> Iterator[tuple[int, ...]]:
    yield term.operands
    if term.operation in _COMMUTE and term.operands[0] != term.operands[1]:
        yield term.operands[::-1]
