"""A teller: a recurrent stack that says symbols about one vector, in the lecture's ways. Knows ids, no images."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.engine import State
from unrolled.equations import Cell, Graph
from unrolled.errors import ConfigError
from unrolled.layers import Recurrent
from unrolled.models.memory import Memory
from unrolled.shapes import check_ids

Entry = Literal["first", "every", "state", "word", "soft", "hard"]
ATTENDS: tuple[Entry, ...] = ("soft", "hard")


class TellerConfig(BaseModel):
    """The sizes of what says captions. `vocab_size`: without the boundary that begins and ends each.

    image: how it knows the image, see `Teller` and `Attender`. The last four are of hard attention: how much the reward
    counts and how much the entropy; the share of steps that look softly; and how fast the baseline forgets. spread: how
    much attention that is not spread over the image costs, for both.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocab_size: int = Field(ge=1)
    embedding_size: int = Field(ge=1, le=1_000_000)
    hidden_size: int = Field(ge=1, le=1_000_000)
    num_layers: int = Field(default=1, ge=1, le=1_000)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    image: Entry = "soft"
    spread: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    reward: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    entropy: float = Field(default=0.002, ge=0, allow_inf_nan=False)
    mixing: float = Field(default=0.8, ge=0, le=1)
    forgetting: float = Field(default=0.1, gt=0, le=1)


class Teller(nn.Module):
    """Says symbols 0 to V - 1; symbol V is the boundary, which is read first and said last.

    How it knows the image, of which v is all in one vector:

    - "first": beside the boundary, h = tanh(Wxh x + Whh h + Wih v), once (the lecture, slides 51-62; Karpathy &
      Fei-Fei 2015, eq. 12);
    - "every": the same beside every symbol (Mao et al. 2015; neuraltalk);
    - "state": the state that is the output begins as W v + b (CS231n 2016, assignment 3);
    - "word": W v is read as if it were the first word, before the boundary (Vinyals et al. 2015, eq. 10).

    With other cells than `rnn`, all of a cell's products read x and v together. What is said is read out of h alone,
    y = Why h.

    Args:
        config: the sizes.
        memory_size: D, of v.
        cell: of the recurrent stack.

    Raises:
        ConfigError: "state", and a cell whose output is no state of it.
    """

    def __init__(self, config: TellerConfig, memory_size: int, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        self.boundary = config.vocab_size
        self.embedding = nn.Embedding(config.vocab_size + 1, config.embedding_size)
        beside = memory_size if config.image in ("first", "every") else 0
        sizes = config.embedding_size + beside, config.hidden_size, config.num_layers
        self.rnn = Recurrent(cell, *sizes, dropout=config.dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.read_out = nn.Linear(self.rnn.output_size, config.vocab_size + 1)
        if config.image == "word":
            self.project = nn.Linear(memory_size, config.embedding_size)
        if config.image == "state":
            if self.rnn.graph.output_state is None:
                raise ConfigError(
                    f"the output of the cell {self.rnn.graph.cell} is no state that an image could be: choose another"
                    " --image"
                )
            self.project = nn.Linear(memory_size, config.num_layers * self.rnn.output_size)

    def begin(self, memory: Memory) -> State:
        """The states before the boundary."""
        state = self.rnn.zero_state(len(memory.lengths))
        if self.config.image == "word":
            _, state = self.rnn(self.dropout(self.project(memory.summary))[None], state)
        if self.config.image == "state":
            made = self.project(memory.summary).view(len(memory.lengths), self.config.num_layers, -1)
            state = state | {str(self.rnn.graph.output_state): made.transpose(0, 1)}
        return state

    def forward(
        self, ids: Tensor, memory: Memory, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        """Read symbols that are known: see `Writer.forward`, whose arguments and values these are.

        Raises:
            ShapeError: ids that are none.
        """
        hidden, after = self.compose(ids, memory, state, lengths)
        return self.read_out(hidden), after, None

    def compose(self, ids: Tensor, memory: Memory, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """As `forward`, but what the logits are read out of, `[U, B, H]`, in their place."""
        hidden, after = self.rnn(self._inputs(ids, memory), state, lengths)
        return self.dropout(hidden), after

    def step(self, ids: Tensor, memory: Memory, state: State) -> tuple[Tensor, State, Tensor | None]:
        """The same for one symbol of each row, `[B]`."""
        logits, after, _ = self(ids[None], memory, state)
        return logits[0], after, None

    def _inputs(self, ids: Tensor, memory: Memory) -> Tensor:
        vectors: Tensor = self.dropout(self.embedding(check_ids("ids", ids, self.boundary + 1)))
        if self.config.image not in ("first", "every"):
            return vectors
        seen = memory.summary.expand(len(ids), -1, -1)
        if self.config.image == "first":
            seen = seen * (ids == self.boundary)[..., None]
        return torch.cat([vectors, seen], dim=2)
