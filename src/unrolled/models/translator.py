"""A translator, many to many: an encoder reads one sequence, a writer writes another. Knows ids, no words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from unrolled.equations import Cell, Graph
from unrolled.layers import Pool, Recurrent, check_lengths
from unrolled.models.front import FrontConfig
from unrolled.models.memory import Memory
from unrolled.models.targets import ended, given_before
from unrolled.models.writer import Writer, WriterConfig


class TranslatorConfig(BaseModel):
    """The sizes of a translator. The encoder has the writer's hidden size and number of layers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    front: FrontConfig
    writer: WriterConfig
    bidirectional: bool = True
    reverse_source: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _states_fit(self) -> TranslatorConfig:
        if self.bidirectional and self.writer.context == "state":
            raise ValueError("a writer that goes on from the encoder's state needs one that reads in one direction")
        return self


class Translator(nn.Module):
    """Sequences in, other sequences out.

    `truth`: while training, the probability with which the writer reads the true symbol before; else it reads the one
    that it would have written itself: scheduled sampling (Bengio et al. 2015), in two passes over the whole sequence
    in the place of one pass symbol by symbol (Mihaylova & Martins 2019). 1: teacher forcing, one pass.

    `label_smoothing`: the share of what is wanted that is spread over all symbols while training (Szegedy et al. 2016).
    """

    def __init__(self, config: TranslatorConfig, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        self.truth = 1.0
        self.front = config.front.made()
        self.encoder = Recurrent(
            cell,
            self.front.width,
            config.writer.hidden_size,
            config.writer.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
        )
        self.pool = Pool("last", self.encoder.output_size, bidirectional=config.bidirectional)
        self.writer = Writer(config.writer, self.encoder.output_size, cell)

    def read(self, inputs: Tensor, lengths: Tensor) -> Memory:
        """What was read in inputs `[S, B]` (ids) or `[S, B, C]`, of which `lengths` `[B]` are real.

        Raises:
            ShapeError: other shapes or types.
        """
        vectors = self.front(inputs)
        lengths = check_lengths(lengths, len(inputs), inputs.shape[1], inputs.device)
        vectors = _reversed(vectors, lengths) if self.config.reverse_source else vectors
        places, state = self.encoder(vectors, lengths=lengths)
        summary = self.pool(places, lengths)
        places = _reversed(places, lengths) if self.config.reverse_source else places
        return Memory(places, lengths, summary, state)

    def forward(
        self, inputs: Tensor, lengths: Tensor, given: Tensor, given_lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits `[U, B, V + 1]` of the symbol after each of `given` `[U, B]`, and the attention `[U, B, S]`, if any.

        The first symbol given is the boundary. `given_lengths`: see `Writer.forward`.
        """
        memory = self.read(inputs, lengths)
        logits, _, weights = self.writer(given, memory, self.writer.begin(memory), given_lengths)
        return logits, weights

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Nats for each symbol of the targets `[U, B]` that is no padding, and for the end of each: `[n + B]`."""
        given, wanted = self.given(targets), ended(targets, self.writer.boundary)
        memory = self.read(inputs, lengths)
        if self.training and self.truth < 1:
            given = self._mixed(given, memory)
        composed, _, _ = self.writer.compose(given, memory, self.writer.begin(memory))
        real = wanted >= 0
        smoothing = self.config.label_smoothing if self.training else 0.0
        logits = self.writer.logits(composed[real])
        return F.cross_entropy(logits, wanted[real], reduction="none", label_smoothing=smoothing)

    def given(self, targets: Tensor) -> Tensor:
        """What the writer reads while it writes the targets `[U, B]`: the boundary before each, `[U + 1, B]`."""
        return given_before(targets, self.writer.boundary)

    @torch.no_grad()
    def _mixed(self, given: Tensor, memory: Memory) -> Tensor:
        """Some of the true symbols replaced by what is drawn in the place of each."""
        logits, _, _ = self.writer(given, memory, self.writer.begin(memory))
        chances = logits[:-1].flatten(0, 1).softmax(dim=1).nan_to_num(1.0)  # (the loss says it if they are no numbers)
        drawn = torch.multinomial(chances, 1).view(given[1:].shape)
        is_true = torch.rand(drawn.shape, device=drawn.device) < self.truth
        return torch.cat([given[:1], torch.where(is_true, given[1:], drawn)])


def _reversed(sequence: Tensor, lengths: Tensor) -> Tensor:
    """Each row `[S, B, ...]` backwards, up to its end; the padding stays behind it."""
    steps = torch.arange(len(sequence), device=sequence.device)[:, None]
    places = torch.where(steps < lengths, lengths - 1 - steps, steps)
    rows = torch.arange(sequence.shape[1], device=sequence.device)
    return sequence[places, rows]
