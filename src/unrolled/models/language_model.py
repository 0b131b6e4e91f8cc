"""A language model: a recurrent stack that predicts the next symbol of a text. Knows ids, not characters."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.engine import State
from unrolled.equations import Cell, Graph
from unrolled.layers import Recurrent
from unrolled.shapes import check_ids


class LanguageModelConfig(BaseModel):
    """The sizes of a language model. `embedding_size` 0 means one-hot inputs, as in char-rnn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocab_size: int = Field(ge=1)
    embedding_size: int = Field(default=0, ge=0, le=1_000_000)
    hidden_size: int = Field(ge=1, le=1_000_000)
    num_layers: int = Field(default=1, ge=1, le=1_000)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class LanguageModel(nn.Module):
    """Ids in, logits of the next id out: embedding or one-hot, a recurrent stack, a linear read-out.

    Dropout stands between the layers and before the read-out, not on recurrent connections (as in char-rnn).
    """

    def __init__(self, config: LanguageModelConfig, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size) if config.embedding_size else None
        self.rnn = Recurrent(
            cell,
            config.embedding_size or config.vocab_size,
            config.hidden_size,
            config.num_layers,
            dropout=config.dropout,
        )
        self.dropout = nn.Dropout(config.dropout)
        self.read_out = nn.Linear(self.rnn.output_size, config.vocab_size)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.read_out.weight.device

    def forward(self, ids: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Logits `[T, B, V]` of the symbol after each of `ids` `[T, B]`, and the states after the last.

        `lengths`: `[B]`, how many of a row's ids are real; None: all.

        Raises:
            ShapeError: ids that are not whole numbers within the vocabulary, or states of another shape.
        """
        hidden, state = self.rnn(self._inputs(ids), state, lengths)
        return self.read_out(self.dropout(hidden)), state

    def step(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits `[B, V]` of the symbol after `ids` `[B]`, and the new states."""
        hidden, state = self.rnn.step(self._inputs(ids), state)
        return self.read_out(self.dropout(hidden)), state

    def table(self) -> Tensor:
        """What each symbol is to the first layer, `[V, D]`: the embedding, or one-hot rows."""
        if self.embedding is not None:
            return self.embedding.weight
        return torch.eye(self.config.vocab_size, dtype=self.read_out.weight.dtype, device=self.device)

    def _inputs(self, ids: Tensor) -> Tensor:
        ids = check_ids("ids", ids, self.config.vocab_size)
        if self.embedding is not None:
            embedded: Tensor = self.embedding(ids)
            return embedded
        # (F.one_hot makes whole numbers first, of eight bytes each)
        zeros = self.read_out.weight.new_zeros(*ids.shape, self.config.vocab_size)
        return zeros.scatter_(-1, ids.unsqueeze(-1), 1.0)
