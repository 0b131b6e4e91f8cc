"""Examples: a sequence, and what belongs to it; and the batches in which they are read. Knows numbers, no symbols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from unrolled.data.ragged import Ragged, Rows
from unrolled.data.streams import PADDING
from unrolled.errors import DataError

_ALIKE = 50  # batches whose examples are sorted by length together


@dataclass(frozen=True)
class Batch:
    """B examples side by side.

    Attributes:
        inputs: ids `[T, B]` (int64), or numbers (float32) `[T, B, ...]`; zero behind each end.
        lengths: of the inputs, `[B]`.
        targets: ids `[U, B]`, `PADDING` behind each end.
    """

    inputs: Tensor
    lengths: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(self.inputs.to(device), self.lengths.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Examples:
    """N input sequences, ids `[T]` or numbers `[T, ...]`, and for each its targets, ids `[U]`: one, or T, or any."""

    inputs: Ragged
    targets: Ragged

    def __len__(self) -> int:
        return len(self.inputs)

    def pick(self, rows: Sequence[int] | Rows) -> Self:
        """Some of them, in that order."""
        return replace(self, inputs=self.inputs.pick(rows), targets=self.targets.pick(rows))

    def batch(self, rows: Sequence[int] | Rows) -> Batch:
        """Some of them, side by side."""
        inputs = torch.from_numpy(self.inputs.padded(rows, 0))
        return Batch(
            inputs.float() if inputs.is_floating_point() or inputs.dtype == torch.uint8 else inputs.long(),
            torch.from_numpy(self.inputs.lengths[rows]),
            torch.from_numpy(self.targets.padded(rows, PADDING)).long(),
        )

    def in_order(self, batch_size: int) -> Iterator[Rows]:
        """The rows of all, those of like length together, each once."""
        order = np.argsort(self.inputs.lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            yield order[start : start + batch_size]


class Batches:
    """Which examples are read in each step: all once an epoch, in an order of its own, those of like length together.

    Lengths of inputs vary little within a batch, so that little is padded, and batches come in no order of length.
    """

    def __init__(self, lengths: Rows, batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self._epoch = lru_cache(maxsize=2)(self._planned)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-len(self.lengths) // self.batch_size)

    def at(self, step: int) -> Rows:
        """The rows of a step, counted on through the epochs: a function of the number alone."""
        return self._epoch(step // len(self))[step % len(self)]

    def _planned(self, epoch: int) -> list[Rows]:
        numbers = np.random.default_rng([self.seed, epoch])
        order = numbers.permutation(len(self.lengths))
        span = _ALIKE * self.batch_size
        pieces = [order[start : start + span] for start in range(0, len(order), span)]
        alike = np.concatenate([piece[np.argsort(self.lengths[piece], kind="stable")] for piece in pieces])
        batches = [alike[start : start + self.batch_size] for start in range(0, len(alike), self.batch_size)]
        return [batches[place] for place in numbers.permutation(len(batches))]


def stored_examples(examples: Examples) -> bytes:
    """A file of these examples, in safetensors."""
    arrays = {
        f"{name}.{part}": getattr(getattr(examples, name), part)
        for name in ("inputs", "targets")
        for part in ("values", "ends")
    }
    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def read_examples(path: Path) -> Examples:
    """The examples in such a file.

    Raises:
        DataError: it is none.
    """
    try:
        arrays = safetensors.numpy.load_file(path)
        inputs, targets = (Ragged(arrays[f"{name}.values"], arrays[f"{name}.ends"]) for name in ("inputs", "targets"))
    except (OSError, KeyError, ValueError, TypeError, safetensors.SafetensorError) as error:
        raise DataError(f"{path} holds no examples: {error}") from error
    for one in (inputs, targets):
        if one.ends.dtype != np.int64 or one.values.ndim < 1:
            raise DataError(f"{path} holds arrays of another type or shape than examples have")
        if one.values.dtype.kind == "f" and not np.isfinite(one.values).all():
            raise DataError(f"{path} holds numbers that are not finite")
        if one.ends.ndim != 1 or len(one) != len(inputs) or not len(one):
            raise DataError(f"{path} holds inputs and targets that do not belong together")
        if (one.lengths < 0).any() or one.ends[-1] != len(one.values):
            raise DataError(f"{path} holds sequences that overlap or leave gaps")
    return Examples(inputs, targets)
