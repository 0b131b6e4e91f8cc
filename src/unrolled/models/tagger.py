"""A tagger, many to many in step: a label for every step, from what came before it. Knows no text and no video."""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.engine import State
from unrolled.equations import Cell, Graph
from unrolled.layers import Recurrent, within
from unrolled.models.front import FrontConfig


class TaggerConfig(BaseModel):
    """The sizes of a tagger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    front: FrontConfig
    classes: int = Field(ge=2)
    hidden_size: int = Field(ge=1, le=1_000_000)
    num_layers: int = Field(default=1, ge=1, le=1_000)
    bidirectional: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Tagger(nn.Module):
    """Sequences in, a row of logits for each step out: front, recurrent stack, linear read-out.

    In one direction it can be used step by step, as frames come: `step`.
    """

    def __init__(self, config: TaggerConfig, cell: Cell | Graph | str) -> None:
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
        self.dropout = nn.Dropout(config.dropout)
        self.read_out = nn.Linear(self.rnn.output_size, config.classes)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Logits `[T, B, K]`, for inputs `[T, B]` (ids) or `[T, B, ...]`, of which `lengths` `[B]` are real.

        Raises:
            ShapeError: other shapes or types.
        """
        hidden, _ = self.rnn(self.front(inputs), lengths=lengths)
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
