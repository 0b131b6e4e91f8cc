"""The glimpse network: what is seen, and where, become one vector. Knows patches and locations, not who chose them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Join = Literal["sum", "product"]

_BRIGHTEST = 255.0


class Scaled(nn.Module):
    """Pixels from 0 to 255, as numbers from 0 to 1: what lies outside of an image is black."""

    def forward(self, pixels: Tensor) -> Tensor:
        """The numbers."""
        return pixels / _BRIGHTEST


class GlimpseNetwork(nn.Module):
    """Glimpses `[..., k, C, g, g]`, pixels from 0 to 255, at locations `[..., 2]`, to vectors `[..., width]`.

    "sum": ReLU(W3 ReLU(W1 x) + W4 ReLU(W2 l)) (Mnih et al. 2014, appendix). "product": of both, element by element
    (Ba et al. 2015, Multiple Object Recognition with Visual Attention, section 3), with a ReLU behind W3 and W4.

    Args:
        pixels: of a glimpse, k * C * g * g.
        size: of what is made of the glimpse, and of the location, before they are joined.
        width: of the vectors.
        join: how.
    """

    def __init__(self, pixels: int, size: int, width: int, join: Join) -> None:
        super().__init__()
        self.join = join
        self.what = nn.Sequential(Scaled(), nn.Linear(pixels, size), nn.ReLU(), nn.Linear(size, width))
        last = nn.Linear(size, width)
        self.where = nn.Sequential(nn.Linear(2, size), nn.ReLU(), last)
        if join == "product":
            nn.init.ones_(last.bias)  # (it begins as what alone: a product of two small numbers would hardly be seen)

    def forward(self, seen: Tensor, locations: Tensor) -> Tensor:
        """The vectors."""
        what = self.what(seen.flatten(-4))
        where = self.where(locations)
        return torch.relu(what + where) if self.join == "sum" else torch.relu(what) * torch.relu(where)

    def extra_repr(self) -> str:
        """How both are joined."""
        return self.join
