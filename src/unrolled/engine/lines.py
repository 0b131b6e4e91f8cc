"""Instructions before they have registers: the lines of a segment. Knows no memory but homes."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.engine.homes import Home


class Line(NamedTuple):
    """An instruction before registers are given out: values are places of nodes, or homes."""

    operation: str
    width: int
    result: Home | int
    operands: tuple[object, ...]
    number: float = 0.0


def with_multiply_add(lines: list[Line]) -> list[Line]:
    """A product of two values that only one sum needs becomes part of it."""
    multiplied = {line.result: line for line in lines if line.operation == "multiply" and type(line.result) is int}
    uses: dict[object, int] = {}
    for line in lines:
        for operand in line.operands:
            uses[operand] = uses.get(operand, 0) + 1
    gone: set[object] = set()
    made = []
    for line in lines:
        if line.operation == "add":
            a, b = line.operands
            for factor, other in ((a, b), (b, a)):
                if factor in multiplied and uses[factor] == 1 and factor != other:
                    gone.add(factor)
                    line = line._replace(operation="multiply_add", operands=(*multiplied[factor].operands, other))
                    break
        made.append(line)
    return [line for line in made if line.result not in gone or isinstance(line.result, Home)]


class Registers:
    """A register for each value of a segment, from its computation to its last use."""

    def __init__(self, lines: list[Line]) -> None:
        last = {operand: number for number, line in enumerate(lines) for operand in line.operands}
        self._of: dict[int, int] = {}
        free: list[int] = []
        ends: dict[int, list[int]] = {}
        self.count = 0
        for number, line in enumerate(lines):
            free += ends.pop(number, [])  # an operand's register can hold the result
            if type(line.result) is int:
                register = free.pop() if free else self.count
                self.count = max(self.count, register + 1)
                self._of[line.result] = register
                ends.setdefault(last.get(line.result, number + 1), []).append(register)

    def of(self, place: int) -> int:
        """The register of a node's value."""
        return self._of[place]
