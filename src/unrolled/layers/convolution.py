"""A small convolutional network that makes a grid or a vector of an image, plain or residual. Knows no sequences."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Blocks = Literal["plain", "residual"]
Normalised = Literal["groups", "batch"]

_FINEST = 8  # pixels of a side, from which nothing is halved any more
_FEWEST = 2  # stages, however small an image is
_FIRST = 16  # channels of the first stage; each that follows has twice as many, up to:
_MOST = 64
_GROUPS = 8
_PLACES = 2  # channels that say where: row and column


class ImageGrid(nn.Module):
    """Images `[N, C, height, width]` to a grid of vectors, `[N, size, rows, columns]`, of eight places a side or fewer.

    Stages, each a 3 x 3 convolution and the maximum of 2 x 2 pixels, until a side has eight pixels or fewer; all but
    the first, which has most pixels, end with a block of two convolutions. Then two channels more say where each pixel
    is (Liu et al. 2018, "CoordConv"), and a last convolution reads all. A "residual" block adds what went in (He et al.
    2015), a "plain" one does not: the comparison of the lecture's slide 77.

    Channels are normalised in "groups" (Wu & He 2018), each image by itself, so that what an image becomes never
    depends on the others beside it; or over the "batch" while training (Ioffe & Szegedy 2015), and by what was usual
    then in evaluation: images that have nothing to do with each other are learned in fewer steps.
    """

    places: Tensor  # [2, height, width] of what the stages give: the row and the column of each pixel, from -1 to 1

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        size: int = _MOST,
        blocks: Blocks = "residual",
        normalised: Normalised = "groups",
    ) -> None:
        super().__init__()
        halvings = math.ceil(math.log2(max(height, width) / _FINEST))
        stages: list[nn.Module] = []
        wide = _FIRST
        for number in range(max(halvings, _FEWEST)):
            stages.append(_convolution(channels, wide, normalised, halves=number < halvings))
            if number:
                stages.append(Block(wide, blocks, normalised))
            channels, wide = wide, min(2 * wide, _MOST)
        self.stages = nn.Sequential(*stages)
        rows, columns = (-(-side // 2 ** max(halvings, 0)) for side in (height, width))
        lines = (torch.linspace(-1, 1, side) for side in (rows, columns))
        self.register_buffer("places", torch.stack(torch.meshgrid(*lines, indexing="ij")), persistent=False)
        self.last = _convolution(channels + _PLACES, size, normalised)
        self.rows, self.columns = rows, columns
        self.pixels = 2 ** max(halvings, 0)  # of a place, along each side; the last one may have fewer

    def forward(self, images: Tensor) -> Tensor:
        """The grids."""
        seen = self.stages(images)
        placed = torch.cat([seen, self.places.expand(len(seen), -1, -1, -1)], dim=1)
        grid: Tensor = self.last(placed)
        return grid


class ImageEncoder(ImageGrid):
    """Images `[N, C, height, width]` to vectors `[N, size]`.

    Of the maximum over the grid of each of its channels: what is seen counts wherever it is, and where it is can be
    told.
    """

    def __init__(self, channels: int, height: int, width: int, size: int, blocks: Blocks = "residual") -> None:
        super().__init__(channels, height, width, blocks=blocks)
        self.read_out = nn.Linear(_MOST, size)

    def forward(self, images: Tensor) -> Tensor:
        """The vectors."""
        found: Tensor = self.read_out(super().forward(images).amax(dim=(2, 3)))
        return found


class Block(nn.Module):
    """Two convolutions; a residual block begins as the identity (Goyal et al. 2017: the last gain is zero)."""

    def __init__(self, channels: int, blocks: Blocks, normalised: Normalised = "groups") -> None:
        super().__init__()
        self.first = _convolution(channels, channels, normalised)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = _norm(channels, normalised)
        self.activation = nn.ReLU()
        self.is_residual = blocks == "residual"
        if self.is_residual:
            nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same size, with as many channels."""
        changed: Tensor = self.norm(self.second(self.first(x)))
        activated: Tensor = self.activation(x + changed if self.is_residual else changed)
        return activated


def _convolution(channels: int, to: int, normalised: Normalised, *, halves: bool = False) -> nn.Sequential:
    """A convolution, normalised after it is halved: there are four times as many pixels before."""
    return nn.Sequential(
        nn.Conv2d(channels, to, 3, padding=1, bias=False),
        *([nn.MaxPool2d(2, ceil_mode=True)] if halves else []),
        _norm(to, normalised),
        nn.ReLU(),
    )


def _norm(channels: int, normalised: Normalised) -> nn.GroupNorm | nn.BatchNorm2d:
    return nn.GroupNorm(_GROUPS, channels) if normalised == "groups" else nn.BatchNorm2d(channels)
