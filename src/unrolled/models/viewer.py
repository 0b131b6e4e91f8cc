"""What a captioner reads: images, of which a convolutional network makes a grid, or features of others. Knows no words.

Both become a `Memory`: a vector for each place, and one for all of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from unrolled.engine import within
from unrolled.layers import Blocks, ImageGrid, Normalised, check_lengths
from unrolled.models.memory import Memory
from unrolled.shapes import check_shape


class ViewerConfig(BaseModel):
    """What is read: images of the shape `frame` (channels, height, width), or vectors of so many `features`.

    grid: the rows and columns in which the features of an image stand, if they do. mean, deviation: of an image's
    channels. size: of the vector of each place. blocks, normalised: of the network, see `ImageGrid`. shift: pixels by
    which an image is moved at most, while training. dropout: of the numbers of a vector, the same in all places.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    frame: tuple[int, int, int] | None = None
    features: int = Field(default=0, ge=0)
    grid: tuple[int, int] | None = None
    size: int = Field(default=64, ge=8, le=1_000_000, multiple_of=8)
    blocks: Blocks = "residual"
    normalised: Normalised = "batch"
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    shift: int = Field(default=0, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> ViewerConfig:
        if (self.frame is None) == (not self.features):
            raise ValueError("a captioner reads images or features: give a frame, or a number of features")
        if self.frame is not None and not len(self.mean) == len(self.deviation) == self.frame[0]:
            raise ValueError("give a mean and a deviation for each channel")
        return self

    @property
    def width(self) -> int:
        """D, of the vector of each place."""
        return self.features or self.size


class Viewer(nn.Module):
    """Images `[1, B, C, height, width]`, or features `[S, B, D]`, to a `Memory`.

    The summary of an image is the maximum over the places of each number, that of given features their mean (as Xu et
    al. 2015, section 3.1.2).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: ViewerConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(config.dropout)
        if config.frame is not None:
            self.register_buffer("mean", torch.tensor(config.mean, dtype=torch.float32)[:, None, None])
            self.register_buffer("deviation", torch.tensor(config.deviation, dtype=torch.float32)[:, None, None])
            self.grid = ImageGrid(*config.frame, config.size, config.blocks, config.normalised)

    @property
    def shape(self) -> tuple[int, int] | None:
        """How many rows and columns of places an image has; None: features, of which nobody said it."""
        return self.config.grid if self.config.frame is None else (self.grid.rows, self.grid.columns)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Memory:
        """What was read; `lengths` `[B]`: of how many places there are features; for images, ones.

        Raises:
            ShapeError: other shapes.
        """
        if self.config.frame is None:
            return self._of_features(inputs, lengths)
        check_shape("inputs", inputs.shape, (1, "B", *self.config.frame))
        images = (inputs[0] - self.mean) / self.deviation
        if self.training and self.config.shift:
            images = _shifted(images, self.config.shift)
        places = self.grid(images).flatten(2).permute(2, 0, 1)  # [S, B, D]
        every = torch.full((len(images),), len(places), device=places.device)
        kept = self.dropout(torch.ones_like(places[0]))  # (a number is dropped in all places of an image, or in none)
        return Memory(places * kept, every, places.amax(dim=0) * kept, {})

    def _of_features(self, inputs: Tensor, lengths: Tensor) -> Memory:
        check_shape("inputs", inputs.shape, ("S", "B", self.config.features))
        lengths = check_lengths(lengths, len(inputs), inputs.shape[1], inputs.device)
        inputs = inputs.masked_fill(~within(lengths, len(inputs))[..., None], 0.0)
        summary = inputs.sum(dim=0) / lengths[:, None]
        kept = self.dropout(torch.ones_like(summary))
        return Memory(inputs * kept, lengths, summary * kept, {})


def _shifted(images: Tensor, most: int) -> Tensor:
    """Images `[B, C, height, width]`, each moved by up to so many pixels; the border goes on outside."""
    count, channels, height, width = images.shape
    wider = F.pad(images, (most,) * 4, mode="replicate")
    rows, columns = (
        torch.randint(2 * most + 1, (count, 1), device=images.device) + torch.arange(side, device=images.device)
        for side in (height, width)
    )
    which = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return wider[which, channel, rows[:, None, :, None], columns[:, None, None, :]]
