"""Show, Attend and Tell (Xu et al. 2015): a cell that looks at a place of the image before each word. Knows no pixels.

Equations and sections are those of the paper, arXiv:1502.03044.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.engine import State, within
from unrolled.equations import Cell, Graph
from unrolled.errors import ConfigError
from unrolled.layers import Attention, Recurrent
from unrolled.layers.attention import Prepared
from unrolled.models.memory import Memory
from unrolled.models.teller import TellerConfig
from unrolled.shapes import check_ids

_HIDDEN = 64  # of the attention: of more, most of the time goes there


@dataclass(frozen=True)
class Looks:
    """Where an attender looked in U steps.

    weights: the attention alpha `[U, B, S]`. chosen: the place that was drawn in each step `[U, B]`, -1 where it looked
    softly; None: softly everywhere.
    """

    weights: Tensor
    chosen: Tensor | None


class Attender(nn.Module):
    """Says symbols as `Teller` does, and before each weighs the places a_i of the image by what it knows.

    alpha_t = softmax_i v . tanh(W a_i + U h_{t-1})   (eq. 4, 5)
    "soft": z_t = beta_t sum_i alpha_ti a_i, beta_t = sigmoid(f_beta(h_{t-1}))   (eq. 13, section 4.2.1)
    "hard": z_t = beta_t a_s, the place s drawn by alpha_t (eq. 8; the gate is the authors' program's); in evaluation
    the likeliest one
    the cell reads E y_{t-1} and z_t   (eq. 1)
    p(y_t) ~ exp(L_o (E y_{t-1} + L_h h_t + L_z z_t))   (eq. 7)

    The states begin as tanh(W v + b) of the summary v of the places (section 3.1.2, one layer deep). Of several layers
    the last one looks.

    Args:
        config: the sizes.
        memory_size: D, of a place.
        cell: of the recurrent stack.

    Raises:
        ConfigError: a cell whose output is no state of it, so that nothing is known before the first step.
    """

    baseline: Tensor  # the moving mean of the nats of a symbol, as they are minimised

    def __init__(self, config: TellerConfig, memory_size: int, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        self.boundary = config.vocab_size
        self.embedding = nn.Embedding(config.vocab_size + 1, config.embedding_size)
        sizes = config.embedding_size + memory_size, config.hidden_size, config.num_layers
        self.rnn = Recurrent(cell, *sizes, dropout=config.dropout)
        if self.rnn.graph.output_state is None:
            raise ConfigError(
                f"the output of the cell {self.rnn.graph.cell} is no state, by which it could choose where to look"
                " before it runs: choose another --image"
            )
        self.dropout = nn.Dropout(config.dropout)
        width = self.rnn.output_size
        self.attention = Attention("additive", width, memory_size, _HIDDEN)
        self.gate = nn.Linear(width, 1)
        self.start = nn.ModuleDict(
            {
                name: nn.Linear(memory_size, len(value) * value.shape[2])
                for name, value in self.rnn.zero_state(1).items()
            }
        )
        self.of_state = nn.Linear(width, config.embedding_size)
        self.of_place = nn.Linear(memory_size, config.embedding_size, bias=False)
        self.read_out = nn.Linear(config.embedding_size, config.vocab_size + 1)
        self.register_buffer("baseline", torch.zeros(()))

    def begin(self, memory: Memory) -> State:
        """The states before the boundary."""
        rows, layers = len(memory.lengths), self.config.num_layers
        made = {name: torch.tanh(start(memory.summary)).view(rows, layers, -1) for name, start in self.start.items()}
        return {name: value.transpose(0, 1).contiguous() for name, value in made.items()}

    def forward(
        self, ids: Tensor, memory: Memory, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        """Read symbols that are known: see `Writer.forward`, whose arguments and values these are.

        Raises:
            ShapeError: ids that are none.
        """
        composed, after, looks = self.look(ids, memory, state, lengths)
        return self.read_out(composed), after, looks.weights

    def step(self, ids: Tensor, memory: Memory, state: State) -> tuple[Tensor, State, Tensor | None]:
        """The same for one symbol of each row, `[B]`."""
        composed, after, looks = self.look(ids[None], memory, state)
        return self.read_out(composed[0]), after, looks.weights[0]

    def look(
        self, ids: Tensor, memory: Memory, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State, Looks]:
        """As `forward`, but what the logits are read out of, `[U, B, E]`, in their place; and where it looked."""
        words: Tensor = self.dropout(self.embedding(check_ids("ids", ids, self.boundary + 1)))
        places = self.attention.prepared(memory.places, memory.lengths)
        hidden, seen, weights, chosen = [], [], [], []
        last = state[str(self.rnn.graph.output_state)][-1]
        for step, word in enumerate(words):
            weight = places.weights(last[None])[0]
            place = self._chosen(weight)
            seen.append(self._seen(last, places, weight, place))
            is_real = None if lengths is None else (lengths > step).long()
            output, state = self.rnn(torch.cat([word, seen[-1]], dim=1)[None], state, is_real)
            last = output[0]
            hidden.append(last)
            weights.append(weight)
            chosen.append(place)
        told = words + self.of_state(self.dropout(torch.stack(hidden))) + self.of_place(torch.stack(seen))
        drawn = None if self.config.image == "soft" else torch.stack(chosen)
        return self.dropout(told), state, Looks(torch.stack(weights), drawn)

    def beside(self, looks: Looks, nats: Tensor, real: Tensor, places: Tensor) -> Tensor:
        """What is minimised beside the mean nats of a symbol.

        For both: `spread` times sum_i (tau - sum_t alpha_ti)^2 in the mean over the captions (eq. 14), where tau is
        not 1 but steps over places, for a short caption cannot cover an image. For "hard", by REINFORCE (eq. 10 to
        12): each place that was drawn is as good as the symbols from there on are likely, less what they are usually.

        Args:
            looks: where it looked, `[U, N, ...]`.
            nats: of each real symbol, in the order of `real`.
            real: which symbols there are, `[U, N]` bool.
            places: how many places each image has, `[N]`.
        """
        weights = looks.weights * real[..., None]
        covered = weights.sum(dim=0)  # [N, S]
        is_place = within(places, covered.shape[1]).T
        even = real.sum(dim=0)[:, None] / places[:, None] * is_place
        made = self.config.spread * (even - covered).square().sum(dim=1).mean()
        if looks.chosen is None:
            return made
        return made + self._reinforced(looks, nats.detach(), real) / real.sum()

    def _reinforced(self, looks: Looks, nats: Tensor, real: Tensor) -> Tensor:
        """What a draw is learned by, summed over all of them."""
        assert looks.chosen is not None
        cost = torch.zeros(real.shape, dtype=nats.dtype, device=nats.device).masked_scatter(real, nats)
        above = (cost - self.baseline).masked_fill(~real, 0.0)
        if self.training:  # (after it was used: a baseline may not depend on the choices that it is held against)
            self.baseline += self.config.forgetting * (nats.mean() - self.baseline)
        to_go = above.flip(0).cumsum(dim=0).flip(0)  # of this symbol and all that follow it
        is_drawn = real & (looks.chosen >= 0)
        log_weights = looks.weights.clamp_min(torch.finfo(nats.dtype).tiny).log()
        log_chance = log_weights.gather(2, looks.chosen.clamp_min(0)[..., None])[..., 0]
        entropy = -(looks.weights * log_weights).sum(dim=2)
        learned = self.config.reward * to_go * log_chance - self.config.entropy * entropy
        return learned.masked_fill(~is_drawn, 0.0).sum()

    def _chosen(self, weights: Tensor) -> Tensor:
        """The place that is looked at `[N]`, by these weights `[N, S]`; -1: at all, softly."""
        if self.config.image == "soft":
            return weights.new_full(weights.shape[:1], -1, dtype=torch.long)
        if not self.training:
            return weights.argmax(dim=1)
        drawn = torch.multinomial(weights.detach().nan_to_num(1.0), 1)[:, 0]
        is_soft = torch.rand(len(drawn), device=drawn.device) < self.config.mixing
        return drawn.masked_fill(is_soft, -1)

    def _seen(self, hidden: Tensor, places: Prepared, weights: Tensor, chosen: Tensor) -> Tensor:
        """z_t, `[N, D]`."""
        at_one = nn.functional.one_hot(chosen.clamp_min(0), weights.shape[1]).to(weights)
        looked = torch.where((chosen < 0)[:, None], weights, at_one)
        mean = torch.bmm(looked[:, None], places.by_row)[:, 0]
        gated: Tensor = torch.sigmoid(self.gate(hidden)) * mean
        return gated
