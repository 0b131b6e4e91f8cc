"""Sequences of different lengths, one behind the other in one array. Knows numbers only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Ragged:
    """N sequences: `values` `[sum of the lengths, ...]`, and where each ends in them, `ends` `[N]`."""

    values: Array
    ends: Rows

    @classmethod
    def of(cls, sequences: Iterable[Array]) -> Ragged:
        """These sequences, each `[T, ...]`; at least one."""
        kept = list(sequences)
        return cls(np.concatenate(kept), np.cumsum([len(one) for one in kept], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> Array:
        return self.values[self.starts[row] : self.ends[row]]

    @cached_property
    def starts(self) -> Rows:
        """Where each begins, `[N]`."""
        return np.concatenate([[0], self.ends[:-1]])

    @cached_property
    def lengths(self) -> Rows:
        """How long each is, `[N]`."""
        return np.diff(self.ends, prepend=0)

    def pick(self, rows: Sequence[int] | Rows) -> Ragged:
        """Some of them, in that order."""
        return Ragged.of([self[int(row)] for row in rows])

    def padded(self, rows: Sequence[int] | Rows, fill: float) -> Array:
        """Some of them side by side, `[T, B, ...]`; behind the end of each stands `fill`."""
        lengths = self.lengths[rows]
        shape = (int(lengths.max(initial=0)), len(lengths), *self.values.shape[1:])
        side_by_side = np.full(shape, fill, dtype=self.values.dtype)
        for place, row in enumerate(rows):
            side_by_side[: lengths[place], place] = self[int(row)]
        return side_by_side
