"""A tagger, many to many in step: a label for every step, from what came before it. Knows no text and no video."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from unrolled.engine import State, within
from unrolled.models.sequences import SequenceModel


class Tagger(SequenceModel):
    """Sequences in, a row of logits for each step out: front, recurrent stack, linear read-out.

    In one direction it can be used step by step, as frames come: `step`.
    """

    def answers(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Logits `[T, B, K]`, of what the front has made of the inputs, `[T, B, width]`."""
        hidden, _ = self.rnn(vectors, lengths=lengths)
        logits: Tensor = self.read_out(self.dropout(hidden))
        return logits

    def step(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits `[B, K]` of one step, of inputs `[B]` or `[B, ...]`, and the states to go on from.

        Raises:
            ShapeError: other shapes, or a tagger that reads from the end, too.
        """
        hidden, state = self.rnn.step(self.front(inputs[None])[0], state)
        return self.read_out(self.dropout(hidden)), state

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Nats for each real step, `[sum of the lengths]`, step by step, of targets `[T, B]`."""
        real = within(lengths, len(inputs))
        return F.cross_entropy(self(inputs, lengths)[real], targets[real], reduction="none")
