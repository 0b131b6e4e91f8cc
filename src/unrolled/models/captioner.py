"""A captioner, one to many: what is read becomes a memory, and captions tell of it. Knows pixels and ids, no words."""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.equations import Cell, Graph
from unrolled.models.attender import Attender
from unrolled.models.memory import Memory
from unrolled.models.targets import ended, given_before, parted
from unrolled.models.teller import ATTENDS, Teller, TellerConfig
from unrolled.models.viewer import Viewer, ViewerConfig


class CaptionerConfig(BaseModel):
    """The sizes of a captioner. label_smoothing: as of `Translator`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    viewer: ViewerConfig
    teller: TellerConfig
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)


class Captioner(nn.Module):
    """Images in, captions out."""

    def __init__(self, config: CaptionerConfig, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        self.viewer = Viewer(config.viewer)
        made = Attender if config.teller.image in ATTENDS else Teller
        self.teller = made(config.teller, config.viewer.width, cell)

    def read(self, inputs: Tensor, lengths: Tensor) -> Memory:
        """What was read in images `[1, B, C, height, width]`, or features `[S, B, D]`, of which `lengths` are real.

        Raises:
            ShapeError: other shapes.
        """
        memory: Memory = self.viewer(inputs, lengths)
        return memory

    def forward(
        self, inputs: Tensor, lengths: Tensor, given: Tensor, given_lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits `[U, B, V + 1]` of the symbol after each of `given` `[U, B]`, and the attention `[U, B, S]`, if any.

        The first symbol given is the boundary. `given_lengths`: see `Writer.forward`.
        """
        memory = self.read(inputs, lengths)
        logits, _, weights = self.teller(given, memory, self.teller.begin(memory), given_lengths)
        return logits, weights

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Nats for each symbol of all captions, and for the end of each; of attention, what else is minimised.

        Args:
            inputs: what `read` reads, of B images.
            lengths: `[B]`.
            targets: `[W, B]`: the captions of each image one behind the other, each with a boundary behind it.
        """
        captions, owners = parted(targets, self.teller.boundary)
        given, wanted = (one(captions, self.teller.boundary) for one in (given_before, ended))
        real = wanted >= 0
        memory = self.read(inputs, lengths).pick(owners)
        state = self.teller.begin(memory)
        smoothing = self.config.label_smoothing if self.training else 0.0
        if isinstance(self.teller, Teller):
            composed, _ = self.teller.compose(given, memory, state)
            logits = self.teller.read_out(composed[real])
            return F.cross_entropy(logits, wanted[real], reduction="none", label_smoothing=smoothing)
        composed, _, looks = self.teller.look(given, memory, state)
        logits = self.teller.read_out(composed[real])
        nats = F.cross_entropy(logits, wanted[real], reduction="none", label_smoothing=smoothing)
        return nats, self.teller.beside(looks, nats, real, memory.lengths)
