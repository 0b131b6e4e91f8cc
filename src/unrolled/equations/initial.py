"""Initial values, as words: which distribution a parameter starts from. Draws nothing.

A layer draws the numbers (`unrolled.layers.initial`); here is only what can be said and stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from unrolled.errors import CellError, did_you_mean

# name -> how many numbers it takes, at least and at most
KNOWN = {
    "default": (0, 0),  # U(-1/sqrt(H), 1/sqrt(H)), as torch.nn's recurrent layers
    "constant": (1, 1),  # value
    "uniform": (2, 2),  # low, high
    "normal": (1, 1),  # standard deviation
    "orthogonal": (0, 1),  # gain
    "identity": (0, 1),  # gain
    "ring": (2, 2),  # low, high: nu, with exp(-exp(nu)) the radius of a point spread evenly between two circles (LRU)
    "log_uniform": (1, 1),  # high: the logarithm of a number between 0 and high
    "softplus_decay": (3, 3),  # low, high, c: a, with exp(-c softplus(a)) between low and high (RG-LRU)
}

_MOST = 1e37  # a range of twice as much still lies within float32


@dataclass(frozen=True)
class Initial:
    """Where a parameter starts: the name of a distribution and its numbers."""

    name: str = "default"
    numbers: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in KNOWN:
            raise CellError(
                f"no initial value is called {self.name!r}; known: {', '.join(KNOWN)}." + did_you_mean(self.name, KNOWN)
            )
        least, most = KNOWN[self.name]
        if not least <= len(self.numbers) <= most:
            raise CellError(f"the initial value {self.name!r} takes {least} to {most} numbers, not {len(self.numbers)}")
        self._check_numbers()

    def _check_numbers(self) -> None:
        for number in self.numbers:
            if not abs(number) <= _MOST:
                raise CellError(f"the initial value {self.name!r} was given {number!r}: give a finite number")
        if self.name == "uniform" and self.numbers[0] > self.numbers[1]:
            raise CellError(f"the initial value 'uniform' takes the lower end first, not {self.numbers}")
        if self.name in ("ring", "softplus_decay") and not 0 <= self.numbers[0] < self.numbers[1] < 1:
            raise CellError(f"the initial value {self.name!r} takes two numbers between 0 and 1, the lower first")
        if self.name == "log_uniform" and self.numbers[0] <= 0:
            raise CellError(f"the initial value 'log_uniform' takes a number above 0, not {self.numbers[0]!r}")
        if self.name == "normal" and self.numbers[0] < 0:
            raise CellError(f"the initial value 'normal' takes a standard deviation, not {self.numbers[0]!r}")


DEFAULT = Initial()
ZERO = Initial("constant", (0.0,))

Spoken = float | str | tuple[str | float, ...] | Initial | None


def initial(spoken: Spoken) -> Initial:
    """What a person says for `init=`: None, a number, `"orthogonal"`, or `("uniform", -0.1, 0.1)`.

    Raises:
        CellError: an unknown name, or the wrong count of numbers.
    """
    match spoken:
        case None:
            return DEFAULT
        case Initial():
            return spoken
        case bool():
            pass
        case int() | float():
            return Initial("constant", (_float(spoken),))
        case str():
            return Initial(spoken)
        case (str(name), *numbers) if all(isinstance(n, int | float) for n in numbers):
            return Initial(name, tuple(_float(n) for n in numbers if not isinstance(n, str)))
    raise CellError(
        f"{spoken!r} is not an initial value: give a number, a name such as 'orthogonal', or ('uniform', -0.1, 0.1)"
    )


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


def initials(spoken: Spoken | list[Spoken], parts: int) -> tuple[Initial, ...]:
    """An initial value for each part of a parameter: the one that was given, or a list with one for each.

    Raises:
        CellError: a list of another length than `parts`.
    """
    if not isinstance(spoken, list):
        return (initial(spoken),) * parts
    if len(spoken) != parts:
        raise CellError(f"{len(spoken)} initial values were given for {parts} parts")
    return tuple(initial(one) for one in spoken)
