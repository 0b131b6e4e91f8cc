"""Attention: for every query a weighted mean of what is remembered. Knows lengths, no words and no pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from unrolled.engine import within
from unrolled.errors import ConfigError

Scoring = Literal["additive", "dot", "general"]


class Attention(nn.Module):
    """Weighted means of a memory `[S, B, D]`, one for each query `[U, B, Q]`.

    The weights are a softmax over the S places of a score: "dot", q . m; "general", q . W m (both Luong et al. 2015,
    section 3.1); "additive", v . tanh(W q + U m) (Bahdanau et al. 2015, appendix A.1.2).

    "additive" holds `[U, S, B, K]` at once: 64 pairs of 50 words and 256 units take 160 MB, more while training.

    Args:
        scoring: which.
        query_size: Q.
        memory_size: D.
        hidden_size: K, of "additive": how wide v is; None: as wide as a query.

    Raises:
        ConfigError: "dot", and queries that are not as wide as the memory.
    """

    def __init__(self, scoring: Scoring, query_size: int, memory_size: int, hidden_size: int | None = None) -> None:
        super().__init__()
        if scoring == "dot" and query_size != memory_size:
            raise ConfigError(
                f"attention by 'dot' needs queries as wide as what is remembered: they are {query_size} and"
                f" {memory_size} wide. Choose general or additive, or a source that is read in one direction only"
            )
        self.scoring = scoring
        if scoring == "general":
            self.query = nn.Linear(query_size, memory_size, bias=False)
        if scoring == "additive":
            hidden_size = hidden_size or query_size
            self.query = nn.Linear(query_size, hidden_size)
            self.memory = nn.Linear(memory_size, hidden_size, bias=False)
            self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, queries: Tensor, memory: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The means `[U, B, D]` and the weights `[U, B, S]`, of which `lengths` `[B]` places of each row are real."""
        return self.prepared(memory, lengths).asked(queries)

    def prepared(self, memory: Tensor, lengths: Tensor) -> Prepared:
        """A memory that is asked often, a query at a time: what needs no query is computed once."""
        is_place = within(lengths, len(memory))  # [S, B]
        memory = memory.masked_fill(~is_place[..., None], 0.0)  # (zero times what is no number is no number)
        keys = self.memory(memory) if self.scoring == "additive" else memory
        return Prepared(self, memory.transpose(0, 1), keys, is_place.T[:, None])

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The scores `[B, U, S]`; `keys`: the memory, for "additive" U m."""
        if self.scoring == "additive":
            both = self.query(queries)[:, None] + keys[None]  # [U, S, B, K]
            scores: Tensor = self.score(torch.tanh(both))[..., 0]
            return scores.permute(2, 0, 1)
        asked = self.query(queries) if self.scoring == "general" else queries
        return torch.bmm(asked.transpose(0, 1), keys.permute(1, 2, 0))

    def extra_repr(self) -> str:
        """Which scoring."""
        return self.scoring


@dataclass(frozen=True)
class Prepared:
    """A memory that can be asked. by_row: `[B, S, D]`. keys: `[S, B, ...]`. is_place: which places are real."""

    attention: Attention
    by_row: Tensor
    keys: Tensor
    is_place: Tensor  # [B, 1, S]

    def asked(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """The means `[U, B, D]` for queries `[U, B, Q]`, and the weights `[U, B, S]`."""
        weights = self.weights(queries).transpose(0, 1)
        return torch.bmm(weights, self.by_row).transpose(0, 1), weights.transpose(0, 1)

    def weights(self, queries: Tensor) -> Tensor:
        """How much each place counts, `[U, B, S]`."""
        scores = self.attention.scores(queries, self.keys)
        lowest = torch.finfo(scores.dtype).min
        weights: Tensor = scores.masked_fill(~self.is_place, lowest).softmax(dim=2) * self.is_place
        return weights.transpose(0, 1)
