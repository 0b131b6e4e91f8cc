"""What a classifier and a tagger share: a front, a recurrent stack, a linear read-out of classes. Knows no text."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.equations import Cell, Graph
from unrolled.layers import Recurrent
from unrolled.models.front import FrontConfig


class SequenceConfig(BaseModel):
    """The sizes of both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    front: FrontConfig
    classes: int = Field(ge=2)
    hidden_size: int = Field(ge=1, le=1_000_000)
    num_layers: int = Field(default=1, ge=1, le=1_000)
    bidirectional: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)


class SequenceModel(nn.Module, ABC):
    """The parts, in the order in which they run.

    Dropout stands between the recurrent layers and before the read-out; a front of symbols has its own.
    """

    def __init__(self, config: SequenceConfig, cell: Cell | Graph | str) -> None:
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
        """The logits, for inputs `[T, B]` (ids) or `[T, B, ...]`, of which `lengths` `[B]` are real.

        Raises:
            ShapeError: other shapes or types.
        """
        return self.answers(self.front(inputs), lengths)

    @abstractmethod
    def answers(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """The logits, of what the front has made of the inputs, `[T, B, width]`."""
