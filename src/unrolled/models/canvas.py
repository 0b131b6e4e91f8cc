"""How a drawer reads an image and writes on its canvas: all of it at once, or through a window. Knows no time.

Gregor et al. 2015, section 3.1 (all of it) and 3.3 (through a window).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.layers import Filterbank, Window

Shape = tuple[int, int, int]  # channels, height, width


class Reader(nn.Module):
    """What is read of an image and of what is still missing in the canvas, as a vector `[B, size]`.

    Args:
        shape: of the images.
        state_size: of the decoder's state, which says where the window lies.
        window: N of N x N filters; 0: all pixels are read, and the state says nothing.
    """

    def __init__(self, shape: Shape, state_size: int, window: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.filters = Filterbank(state_size, window, height, width, called="read_size") if window else None
        self.size = 2 * channels * (window * window if window else height * width)

    def forward(self, images: Tensor, missing: Tensor, state: Tensor) -> tuple[Tensor, Window | None]:
        """The vector, of two times `[B, C, height, width]`, and the window it was read through."""
        both = torch.cat([images, missing], dim=1)
        if self.filters is None:
            return both.flatten(1), None
        window = self.filters(state)
        return window.read(both).flatten(1), window


class Pen(nn.Module):
    """What a state `[B, state_size]` adds to the canvas: `[B, C, height, width]`.

    Args:
        shape: of the canvas.
        state_size: of the decoder's state.
        window: N of N x N filters that write a patch; 0: all pixels are written.
    """

    def __init__(self, shape: Shape, state_size: int, window: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.filters = (
            Filterbank(state_size, window, height, width, called="write_size", writes=True) if window else None
        )
        self.patch: Shape = (channels, window, window) if window else shape
        self.write = nn.Linear(state_size, self.patch[0] * self.patch[1] * self.patch[2])

    def forward(self, state: Tensor) -> tuple[Tensor, Window | None]:
        """What is added, and the window it was written through."""
        patches = self.write(state).unflatten(1, self.patch)
        if self.filters is None:
            return patches, None
        window = self.filters(state)
        return window.write(patches), window
