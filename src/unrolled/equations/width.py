"""Widths: how wide a value is, before the hidden and the input size have numbers. Knows no values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from unrolled.errors import GraphError

_TERM = re.compile(r"([0-9]{0,10})([HD]?)")
_MOST = 10**9  # of each term: more fits into no memory


@dataclass(frozen=True)
class Width:
    """`hidden * H + input * D + units`: H is the layer's hidden size, D its input size.

    Two widths are equal only if they are equal for every H and D, so `x + h` is an error in every cell,
    not only in layers whose input happens to be wider than their state.
    """

    hidden: int = 0
    input: int = 0
    units: int = 0

    def __post_init__(self) -> None:
        if max(self.hidden, self.input, self.units) > _MOST:
            raise GraphError(f"a width of {self} is too much: at most {_MOST:,} of H, of D and of units")

    def __bool__(self) -> bool:
        return any((self.hidden, self.input, self.units))

    def __add__(self, other: Width) -> Width:
        return Width(self.hidden + other.hidden, self.input + other.input, self.units + other.units)

    def __mul__(self, times: int) -> Width:
        return Width(self.hidden * times, self.input * times, self.units * times)

    def divided(self, parts: int) -> Width | None:
        """One of `parts` equal parts, or None where they would not be whole."""
        terms = (self.hidden, self.input, self.units)
        if parts < 1 or any(term % parts for term in terms):
            return None
        return Width(*(term // parts for term in terms))

    def fits_in(self, whole: Width) -> bool:
        """Whether it is at most as wide as `whole`, for every H and D."""
        return self.hidden <= whole.hidden and self.input <= whole.input and self.units <= whole.units

    def resolve(self, input_size: int, hidden_size: int) -> int:
        """The number of units, in a layer of these sizes."""
        return self.hidden * hidden_size + self.input * input_size + self.units

    def __str__(self) -> str:
        terms = [_term(self.hidden, "H"), _term(self.input, "D"), str(self.units or "")]
        return "+".join(term for term in terms if term) or "0"

    @classmethod
    def parse(cls, text: str) -> Width:
        """The width that `str` wrote: `4H`, `D`, `2H+20`.

        Raises:
            GraphError: the text is no width.
        """
        total = cls()
        for term in text.split("+"):
            match = _TERM.fullmatch(term)
            if match is None or not term:
                raise GraphError(f"{text!r} is not a width such as 'H', '4H', 'D' or '20'")
            count = int(match[1]) if match[1] else 1
            total += {"H": cls(hidden=count), "D": cls(input=count), "": cls(units=count)}[match[2]]
        return total


H = Width(hidden=1)
D = Width(input=1)


def _term(count: int, letter: str) -> str:
    return "" if count == 0 else letter if count == 1 else f"{count}{letter}"
