"""A classifier of sequences, many to one: a recurrent stack reads all, one vector says the class. Knows no text."""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.equations import Cell, Graph
from unrolled.layers import Pool, Pooling, Recurrent
from unrolled.models.front import FrontConfig


class ClassifierConfig(BaseModel):
    """The sizes of a classifier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    front: FrontConfig
    classes: int = Field(ge=2)
    hidden_size: int = Field(ge=1, le=1_000_000)
    num_layers: int = Field(default=1, ge=1, le=1_000)
    bidirectional: bool = False
    pooling: Pooling = "mean"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Classifier(nn.Module):
    """Sequences in, one row of logits for each out: front, recurrent stack, pooling, linear read-out.

    Dropout stands before the recurrent layers (the front's own), between them, and before the read-out.
    """

    def __init__(self, config: ClassifierConfig, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        self.front = config.front.made()
        self.rnn = Recurrent(
            cell,
            self.front.width,
            config.hidden_size,
            config.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
        )
        self.pool = Pool(config.pooling, self.rnn.output_size, bidirectional=config.bidirectional)
        self.dropout = nn.Dropout(config.dropout)
        self.read_out = nn.Linear(self.rnn.output_size, config.classes)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Logits `[B, K]` of the classes, for inputs `[T, B]` (ids) or `[T, B, C]`, of which `lengths` `[B]` are real.

        Raises:
            ShapeError: other shapes or types.
        """
        hidden, _ = self.rnn(self.front(inputs), lengths=lengths)
        logits: Tensor = self.read_out(self.dropout(self.pool(hidden, lengths)))
        return logits

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Nats for each example, `[B]`, of targets `[1, B]`."""
        return F.cross_entropy(self(inputs, lengths), targets[0], reduction="none")
