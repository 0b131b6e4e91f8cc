"""The levels of instructions: which there are, and which is in use. Knows the library, no programs.

A program is made for one level and keeps it, since its matrices are packed for that level: another choice is for
programs that are made later.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache

from unrolled.engine.blocks import Blocks
from unrolled.engine.library import library
from unrolled.errors import ConfigError, did_you_mean

VARIABLE = "UNROLLED_LEVEL"
_wishes = Blocks[str]("unrolled.engine.levels")


def levels() -> dict[str, bool]:
    """The levels that the library was built for, in rising order, and whether this processor has them."""
    found = library()
    if found is None:
        return {}
    return {
        found.unrolled_level_name(number).decode(): bool(found.unrolled_has_level(number))
        for number in range(found.unrolled_levels())
    }


def level() -> str:
    """The level in use: of `use_level`, else of the environment variable UNROLLED_LEVEL, else the highest.

    Empty without a library.

    Raises:
        ConfigError: the variable names a level that the library or the processor lacks.
    """
    asked = _wishes.open()
    return asked[-1] if asked else _standing()


def use_level(name: str) -> AbstractContextManager[None]:
    """Have layers run at that level of instructions as long as a block lasts.

    Raises:
        ConfigError: the library or the processor lacks it.
    """
    return _wishes.saying(_checked(name, "use_level"))


def number_of(name: str) -> int:
    """A level's number in the library."""
    return list(levels()).index(name)


@cache
def _standing() -> str:
    """The level where no block says another. The variable is read once."""
    wanted = os.environ.get(VARIABLE)
    if wanted and library() is not None:
        return _checked(wanted, VARIABLE)
    return max((name for name, is_there in levels().items() if is_there), key=number_of, default="")


def _checked(name: str, where: str) -> str:
    there = [one for one, has in levels().items() if has]
    if name not in there:
        raise ConfigError(
            f"{where}: there is no level {name!r} here: {', '.join(there) or 'there is no native engine'}."
            f"{did_you_mean(str(name), there)}"
        )
    return name
