"""A small convolutional network that makes one vector of an image, plain or residual. Knows images, no sequences."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Blocks = Literal["plain", "residual"]

_SMALLEST = 4  # pixels of a side, from which nothing is halved any more
_FIRST = 16  # channels of the first stage; each that follows has twice as many, up to:
_MOST = 64
_GROUPS = 8


class ImageEncoder(nn.Module):
    """Images `[N, C, height, width]` to vectors `[N, size]`.

    Stages of stride 2, each with a block of two 3 x 3 convolutions, until a side has four pixels or fewer; then a
    linear layer on all that is left. A "residual" block adds what went in (He et al. 2015), a "plain" one does not:
    the comparison of the lecture's slide 77. Channels are normalised in groups (Wu & He 2018), each image by itself,
    so what an image becomes does not depend on the others beside it.
    """

    def __init__(self, channels: int, height: int, width: int, size: int, blocks: Blocks = "residual") -> None:
        super().__init__()
        stages: list[nn.Module] = []
        wide = _FIRST
        while True:
            stages += [_convolution(channels, wide, stride=2), Block(wide, blocks)]
            channels, height, width = wide, -(-height // 2), -(-width // 2)
            if max(height, width) <= _SMALLEST:
                break
            wide = min(2 * wide, _MOST)
        self.stages = nn.Sequential(*stages)
        self.read_out = nn.Linear(channels * height * width, size)

    def forward(self, images: Tensor) -> Tensor:
        """The vectors."""
        found: Tensor = self.read_out(self.stages(images).flatten(1))
        return found


class Block(nn.Module):
    """Two convolutions; a residual block adds what went in."""

    def __init__(self, channels: int, blocks: Blocks) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels, is_last=True)
        self.is_residual = blocks == "residual"
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same size, with as many channels."""
        changed: Tensor = self.second(self.first(x))
        activated: Tensor = self.activation(x + changed if self.is_residual else changed)
        return activated


def _convolution(channels: int, to: int, stride: int = 1, *, is_last: bool = False) -> nn.Sequential:
    parts: list[nn.Module] = [
        nn.Conv2d(channels, to, 3, stride=stride, padding=1, bias=False), nn.GroupNorm(_GROUPS, to),
    ]  # fmt: skip
    return nn.Sequential(*parts, *([] if is_last else [nn.ReLU()]))
