"""A very deep classifier of images, plain or residual, all of its layers alike. Knows pixels, no sequences."""

from __future__ import annotations

from typing import Self

import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from unrolled.layers import Blocks, Deep, Initialised, initialise
from unrolled.shapes import check_shape

_WINDOW, _STRIDE = 7, 4  # pixels, of the first layer: what follows sees a sixteenth of them
_LARGEST = 255.0  # of a pixel
_OUTSIDE = 2  # weight layers that are in no block: the first and the last


class DeepClassifierConfig(BaseModel):
    """The sizes of one.

    frame: channels, height and width of an image. layers: those with weights, from the first convolution to the
    read-out. channels: of each convolution. init: see `layers.initialise`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    frame: tuple[int, int, int]
    classes: int = Field(ge=2)
    layers: int = Field(default=50, ge=4, le=10_000)
    channels: int = Field(default=16, ge=1, le=10_000)
    blocks: Blocks = "residual"
    init: Initialised = "torch"

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        if self.layers % 2:
            raise ValueError(f"{self.layers} layers: a block has two, give an even number from 4 on")
        return self


class DeepClassifier(nn.Module):
    """Images in, a row of logits for each out.

    A convolution of 7 x 7 pixels, at every fourth, makes `channels` of an image; blocks of two convolutions of 3 x 3
    follow, `layers.Deep`; a linear layer reads out all that is left. Nothing is normalised, and nothing halved on the
    way: but for its first layer and its last, the network is y = F(x), or y = x + F(x), again and again.
    """

    def __init__(self, config: DeepClassifierConfig) -> None:
        super().__init__()
        self.config = config
        channels, height, width = config.frame
        wide = config.channels
        self.first = nn.Conv2d(channels, wide, _WINDOW, stride=_STRIDE, padding=_WINDOW // 2)
        every = [nn.Conv2d(wide, wide, 3, padding=1) for _ in range(config.layers - _OUTSIDE)]
        self.deep = Deep(every, config.blocks)
        self.read_out = nn.Linear(wide * -(-height // _STRIDE) * -(-width // _STRIDE), config.classes)
        initialise([self.first, *every], config.init)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits `[B, K]`, of images as batches of examples hold them, `[1, B, C, height, width]` from 0 to 255.

        `lengths` of examples say nothing here: each is one image.

        Raises:
            ShapeError: images of another size.
        """
        del lengths
        check_shape("inputs", inputs.shape, (1, "B", *self.config.frame))
        seen = self.deep(self.first(inputs[0] / _LARGEST))
        logits: Tensor = self.read_out(seen.relu().flatten(1))
        return logits

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Nats for each image, `[B]`, of targets `[1, B]`."""
        return F.cross_entropy(self(inputs, lengths), targets[0], reduction="none")
