"""From a sequence to one vector: its last step, its mean, its largest values, or a weighted mean. Knows lengths."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from unrolled.engine import within

Pooling = Literal["last", "mean", "max", "attention"]


class Pool(nn.Module):
    """One vector `[B, width]` of a sequence `[T, B, width]`.

    "last" is what a recurrent layer has at its last step; of a bidirectional one, what each direction has where it
    ends. "mean" and "max" are over all real steps. "attention" is a mean weighted by softmax(v . tanh(W h)) over the
    real steps (Yang et al. 2016, Hierarchical Attention Networks, eq. 5-7). A sequence of no step has zeros.

    Args:
        pooling: which.
        width: of the sequence.
        bidirectional: whether the second half of the width was read from the end.
    """

    def __init__(self, pooling: Pooling, width: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.pooling = pooling
        self.bidirectional = bidirectional
        if pooling == "attention":
            self.hidden = nn.Linear(width, width)
            self.score = nn.Linear(width, 1, bias=False)

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """The vectors `[B, width]`, for lengths `[B]`."""
        if self.pooling == "last":
            return self._last(sequence, lengths)
        real = within(lengths, len(sequence))[..., None]
        if self.pooling == "max":
            lowest = torch.finfo(sequence.dtype).min
            return sequence.masked_fill(~real, lowest).amax(dim=0) * (lengths > 0)[:, None]
        if self.pooling == "mean":
            total: Tensor = sequence.masked_fill(~real, 0.0).sum(dim=0)
            return total / lengths.clamp(min=1)[:, None]
        return (self.weights(sequence, lengths)[..., None] * sequence.masked_fill(~real, 0.0)).sum(dim=0)

    def weights(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """How much each step counts, `[T, B]`, with a sum of 1 over the real steps; of "attention" only."""
        scores = self.score(torch.tanh(self.hidden(sequence)))[..., 0]
        real = within(lengths, len(sequence))
        found: Tensor = scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(dim=0)
        return found * real

    def _last(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        rows = torch.arange(sequence.shape[1], device=sequence.device)
        ended = sequence[(lengths - 1).clamp(min=0), rows] * (lengths > 0)[:, None]
        if not self.bidirectional:
            return ended
        half = sequence.shape[2] // 2
        return torch.cat([ended[:, :half], sequence[0, :, half:]], dim=1)

    def extra_repr(self) -> str:
        """Which pooling."""
        return self.pooling
