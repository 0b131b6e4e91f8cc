"""What an encoder hands to a writer: what it read, place by place and in one vector. Knows tensors, no modules."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from unrolled.engine import State


@dataclass(frozen=True)
class Memory:
    """What was read of B examples.

    Attributes:
        places: one vector for each place of the source, `[S, B, D]`.
        lengths: how many of the places are real, `[B]`.
        summary: all of it in one vector, `[B, D]`.
        state: in which the encoder was after all that it read.
    """

    places: Tensor
    lengths: Tensor
    summary: Tensor
    state: State

    def pick(self, rows: Tensor) -> Memory:
        """Some of the examples, `[R]`, in that order; one can come several times."""
        return Memory(
            self.places[:, rows],
            self.lengths[rows],
            self.summary[rows],
            {name: value[:, rows] for name, value in self.state.items()},
        )
