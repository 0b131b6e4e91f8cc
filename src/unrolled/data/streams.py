"""A long text as parallel streams of chunks, for truncated backpropagation. Knows ids only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unrolled.data.vocabulary import Ids
from unrolled.errors import DataError

PADDING = -100  # what torch's cross entropy leaves out of targets


@dataclass(frozen=True)
class Chunk:
    """The next piece of every stream: `ids` and the `targets` after them, both `[T, B]`."""

    ids: Tensor
    targets: Tensor
    is_first: bool


class Streams:
    """A text cut into `batch_size` streams that run side by side, read in chunks of `seq_length` steps.

    Row b of a chunk goes on where row b of the chunk before ended, so a state can be carried along. The last
    symbol of a stream has the first one of the next stream as its target. With `whole`, every symbol but the
    first is a target exactly once, and the last chunk is padded; else what does not fill a chunk is left out.
    """

    def __init__(self, ids: Ids, batch_size: int, seq_length: int, *, whole: bool = False) -> None:
        self.batch_size = batch_size
        self.seq_length = seq_length
        targets = len(ids) - 1
        steps = -(-targets // batch_size) if whole else targets // batch_size
        self.chunks = -(-steps // seq_length) if whole else steps // seq_length
        if self.chunks < 1:
            raise DataError(
                f"the text has {len(ids):,} symbols; one chunk of {batch_size} streams x {seq_length} steps needs"
                f" {batch_size * seq_length + 1:,}. Give more text, or a smaller --batch-size or --seq-length"
            )
        missing = max(0, steps * batch_size - targets)
        known = torch.from_numpy(np.ascontiguousarray(ids))
        inputs = torch.cat([known[:-1], known.new_zeros(missing)])
        following = torch.cat([known[1:], known.new_full((missing,), PADDING)])
        self._ids = inputs[: steps * batch_size].view(batch_size, steps)
        self._targets = following[: steps * batch_size].view(batch_size, steps)

    def chunk(self, number: int) -> Chunk:
        """The chunk of that number, counted on through the epochs: a function of the number alone."""
        place = number % self.chunks
        steps = slice(place * self.seq_length, (place + 1) * self.seq_length)
        return Chunk(self._ids[:, steps].t(), self._targets[:, steps].t(), place == 0)


def split(ids: Ids, val_frac: float) -> tuple[Ids, Ids]:
    """The text without its last part, and the last part, held out for validation."""
    held_out = round(len(ids) * val_frac)
    return ids[: len(ids) - held_out], ids[len(ids) - held_out :]
