"""A classifier of sequences, many to one: a recurrent stack reads all, one vector says the class. Knows no text."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from unrolled.equations import Cell, Graph
from unrolled.layers import Pool, Pooling
from unrolled.models.sequences import SequenceConfig, SequenceModel


class ClassifierConfig(SequenceConfig):
    """The sizes of a classifier."""

    pooling: Pooling = "mean"


class Classifier(SequenceModel):
    """Sequences in, one row of logits for each out: front, recurrent stack, pooling, linear read-out."""

    def __init__(self, config: ClassifierConfig, cell: Cell | Graph | str) -> None:
        super().__init__(config, cell)
        self.pool = Pool(config.pooling, self.rnn.output_size, bidirectional=config.bidirectional)

    def answers(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Logits `[B, K]` of the classes, of what the front has made of the inputs, `[T, B, width]`."""
        hidden, _ = self.rnn(vectors, lengths=lengths)
        logits: Tensor = self.read_out(self.dropout(self.pool(hidden, lengths)))
        return logits

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Nats for each example, `[B]`, of targets `[1, B]`."""
        return F.cross_entropy(self(inputs, lengths), targets[0], reduction="none")
