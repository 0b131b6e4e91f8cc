"""What looking at models of examples has in common: which are read, and how they are written. Knows no models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data import Examples
from unrolled.errors import ConfigError

_MOST = 20_000  # steps: each is kept for every unit of every value, padding included
_LEAST = 10

ExamplesType = TypeVar("ExamplesType", bound=Examples)


def to_be_read(examples: ExamplesType, most: int, lengths: NDArray[np.int64] | None = None) -> ExamplesType:
    """As many as have at most so many steps, padded, and no more than can be kept; one at least.

    They are drawn from all, always the same: a file may have one class after the other. `lengths`: how many steps each
    has, `[N]`; None: as many as its inputs.

    Raises:
        ConfigError: so few steps that there is nothing to be seen.
    """
    if most < _LEAST:
        raise ConfigError(f"{most} steps are too few to see anything: give at least {_LEAST}")
    order = np.random.default_rng(0).permutation(len(examples))
    longest = np.maximum.accumulate((examples.inputs.lengths if lengths is None else lengths)[order])
    fitting = int((longest * np.arange(1, len(examples) + 1) <= min(most, _MOST)).sum())
    return examples.pick(np.sort(order[: max(1, fitting)]))


def written(pieces: Sequence[str], unit: str) -> list[str]:
    """The pieces of an example, each with what parts it from the next; the last one ends the line."""
    space = " " if unit == "word" else ""
    return [*(piece + space for piece in pieces[:-1]), pieces[-1] + "\n"]
