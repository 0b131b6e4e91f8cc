"""Images that are moved and turned a little, each by itself, while something is learned of them. Knows images only."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def wobbled(images: Tensor, shift: float, turn: float) -> Tensor:
    """Images `[B, C, height, width]`, each turned around its middle, then moved; what comes in from outside is zero.

    shift: at most so many pixels to either side, and up or down. turn: at most so many degrees, either way. Both are
    drawn evenly from torch's default generator; pixels between pixels are mixed in proportion.
    """
    height, width = images.shape[2:]
    drawn = 2 * torch.rand(3, len(images), dtype=images.dtype, device=images.device) - 1
    angle = drawn[0] * math.radians(turn)
    # in affine_grid's coordinates an image goes from -1 to 1 along both axes, whatever its sides
    cosine, sine, ratio = angle.cos(), angle.sin(), height / width
    across, down = 2 * shift / width * drawn[1], 2 * shift / height * drawn[2]
    rows = [torch.stack([cosine, -sine * ratio, across], dim=1), torch.stack([sine / ratio, cosine, down], dim=1)]
    where = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, where, align_corners=False)
