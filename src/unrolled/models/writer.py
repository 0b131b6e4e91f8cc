"""A writer: a recurrent stack that writes a sequence of symbols about what an encoder read. Knows ids, no words."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.engine import State
from unrolled.equations import Cell, Graph
from unrolled.layers import Attention, Recurrent, Scoring
from unrolled.models.memory import Memory
from unrolled.shapes import check_ids

Context = Literal["attention", "fixed", "state"]


class WriterConfig(BaseModel):
    """The sizes of a writer. `vocab_size`: of what it writes, without the boundary that begins and ends a sequence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocab_size: int = Field(ge=1)
    embedding_size: int = Field(ge=1, le=1_000_000)
    hidden_size: int = Field(ge=1, le=1_000_000)
    num_layers: int = Field(default=1, ge=1, le=1_000)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    context: Context = "attention"
    attention: Scoring = "general"
    tied: bool = False


class Writer(nn.Module):
    """Writes symbols 0 to V - 1; symbol V is the boundary, which is read first and written last.

    How it knows what was read, `context`:

    - "state": it goes on from the state in which the encoder ended (Sutskever et al. 2014);
    - "fixed": one vector c = tanh(V h_N) starts it, stands beside its input at every step, and is read out at every
      step (Cho et al. 2014, without their maxout);
    - "attention": what it reads out beside its state h_t is a mean c_t of all that was read, which h_t itself weighs
      (Luong et al. 2015, eq. 5: tanh(W [c_t; h_t])). Of several layers the first one weighs, and the others read c_t
      beside its h_t (Wu et al. 2016, GNMT), so that they know where it has looked. As the first layer needs no c_t, all
      steps of each run in one go.

    `tied`: the read-out's matrix is the embedding's (Press & Wolf 2017).

    Args:
        config: the sizes.
        memory_size: D, of what was read.
        cell: of the recurrent stack.
    """

    def __init__(self, config: WriterConfig, memory_size: int, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        self.boundary = config.vocab_size
        self.embedding = nn.Embedding(config.vocab_size + 1, config.embedding_size)
        fixed = config.hidden_size if config.context == "fixed" else 0
        above = config.num_layers - 1 if config.context == "attention" else 0
        sizes = config.hidden_size, config.num_layers - above
        self.rnn = Recurrent(cell, config.embedding_size + fixed, *sizes, dropout=config.dropout)
        self.dropout = nn.Dropout(config.dropout)
        width, beside = self.rnn.output_size, fixed
        self.upper = None
        if config.context == "fixed":
            self.summary = nn.Linear(memory_size, fixed)
        if config.context == "attention":
            self.attention = Attention(config.attention, width, memory_size)
            beside = memory_size
        if above:
            self.upper = Recurrent(cell, width + beside, config.hidden_size, above, dropout=config.dropout)
        self.begin_with = nn.Linear(fixed or memory_size, config.num_layers * width) if self.begins else None
        self.combine = nn.Linear(width + beside, config.embedding_size if config.tied else width)
        self.read_out = nn.Linear(self.combine.out_features, config.vocab_size + 1) if not config.tied else None
        if config.tied:
            self.bias = nn.Parameter(torch.zeros(config.vocab_size + 1))
            nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)

    @property
    def begins(self) -> str:
        """The state that a summary starts: the one that a layer gives as its output. The others start from zeros."""
        return self.rnn.graph.output_state or "" if self.config.context != "state" else ""

    @property
    def can_point(self) -> bool:
        """Whether it says at each step which place of the source it is about."""
        return self.config.context == "attention"

    def begin(self, memory: Memory) -> State:
        """The states before the first symbol."""
        if self.config.context == "state":
            return memory.state
        state = self.zero_state(len(memory.lengths))
        if self.begin_with is None:
            return state
        known = self._fixed(memory) if self.config.context == "fixed" else memory.summary
        made = torch.tanh(self.begin_with(known)).view(len(known), self.config.num_layers, -1)
        return state | {self.begins: made.transpose(0, 1)}

    def zero_state(self, rows: int) -> State:
        """States of zero of all layers, name -> `[L, rows, width]`."""
        parts = [part.zero_state(rows) for part in (self.rnn, self.upper) if part is not None]
        return _stacked(parts)

    def forward(
        self, ids: Tensor, memory: Memory, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        """Read symbols that are known.

        Args:
            ids: `[U, B]`; the first of a sequence is the boundary.
            memory: of B examples.
            state: `begin(memory)`, or where an earlier call ended.
            lengths: how many of the symbols are real, `[B]`; None: all, or nobody cares what stands behind the ends.

        Returns:
            The logits `[U, B, V + 1]` of the symbol after each, the states after the last, and how much each place of
            the source counted, `[U, B, S]`; None without attention.

        Raises:
            ShapeError: ids that are none.
        """
        composed, state, weights = self.compose(ids, memory, state, lengths)
        return self.logits(composed), state, weights

    def step(self, ids: Tensor, memory: Memory, state: State) -> tuple[Tensor, State, Tensor | None]:
        """The same for one symbol of each row, `[B]`: logits `[B, V + 1]`, states, weights `[B, S]`."""
        composed, state, weights = self.compose(ids[None], memory, state)
        return self.logits(composed[0]), state, None if weights is None else weights[0]

    def compose(
        self, ids: Tensor, memory: Memory, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        """As `forward`, but what the logits are read out of, `[U, B, R]`, in their place."""
        below = self.rnn.num_layers
        hidden, after = self.rnn(self._inputs(ids, memory), _layers(state, slice(0, below)), lengths)
        known, weights = self._known(hidden, memory)
        if self.upper is not None:
            inputs = torch.cat([self.dropout(hidden), known], dim=2)
            hidden, last = self.upper(inputs, _layers(state, slice(below, None)), lengths)
            after = _stacked([after, last])
        composed = torch.tanh(self.combine(torch.cat([hidden, known], dim=2)))
        return self.dropout(composed), after, weights

    def logits(self, composed: Tensor) -> Tensor:
        """The logits `[..., V + 1]` of what was composed, `[..., R]`."""
        if self.read_out is None:
            return F.linear(composed, self.embedding.weight, self.bias)
        logits: Tensor = self.read_out(composed)
        return logits

    def _inputs(self, ids: Tensor, memory: Memory) -> Tensor:
        vectors: Tensor = self.dropout(self.embedding(check_ids("ids", ids, self.boundary + 1)))
        if self.config.context != "fixed":
            return vectors
        return torch.cat([vectors, self._fixed(memory).expand(len(ids), -1, -1)], dim=2)

    def _fixed(self, memory: Memory) -> Tensor:
        """Cho's c, `[B, H]`."""
        return torch.tanh(self.summary(memory.summary))

    def _known(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """What is known of the source at each step, `[U, B, ...]`, and where states `[U, B, H]` looked for it."""
        if self.config.context == "attention":
            seen, weights = self.attention(hidden, memory.places, memory.lengths)
            return seen, weights
        if self.config.context == "fixed":
            return self._fixed(memory).expand(len(hidden), -1, -1), None
        return hidden[..., :0], None


def _layers(state: State, which: slice) -> State:
    """The states of some layers."""
    return {name: value[which] for name, value in state.items()}


def _stacked(parts: list[State]) -> State:
    """The states of layers that stand on each other."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
