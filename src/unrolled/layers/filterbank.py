"""A grid of Gaussian filters over an image: a window that reads a piece of it, or writes one. Knows images, no time.

Gregor et al. 2015, "DRAW: A Recurrent Neural Network For Image Generation", section 3.2. Pixels and filters are counted
from 1, as in the paper: the first pixel's centre is at 1, the image's at (A + 1) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.errors import ShapeError
from unrolled.shapes import check_shape

_FAR = 40.0  # nats
_PLACED_BY = 5  # numbers: g_X, g_Y, log sigma^2, log delta, log gamma


@dataclass(frozen=True)
class Window:
    """A grid of N x N filters over each of B images, A pixels wide and B' high.

    Attributes:
        rows: F_Y, `[B, N, height]`: what each row of filters takes of each row of pixels; sums to 1 over the pixels.
        columns: F_X, `[B, N, width]`.
        centre: g_X and g_Y, `[B, 2]`, in pixels counted from 1.
        stride: delta, `[B]`, pixels between two neighbouring filters.
        variance: sigma^2, `[B]`, of each filter, in pixels squared.
        intensity: gamma, `[B]`.
    """

    rows: Tensor
    columns: Tensor
    centre: Tensor
    stride: Tensor
    variance: Tensor
    intensity: Tensor

    def read(self, images: Tensor) -> Tensor:
        """Gamma F_Y x F_X^T: patches `[B, C, N, N]` of images `[B, C, height, width]`."""
        # (all channels below each other: one product an image for the larger of both)
        narrow = (images.flatten(1, 2) @ self.columns.mT).view(*images.shape[:3], -1)
        return self.intensity[:, None, None, None] * (self.rows[:, None] @ narrow)

    def write(self, patches: Tensor) -> Tensor:
        """1 / gamma F_Y^T w F_X: images `[B, C, height, width]` with these patches `[B, C, N, N]` in them."""
        high = self.rows[:, None].mT @ (patches / self.intensity[:, None, None, None])
        return (high.flatten(1, 2) @ self.columns).view(*high.shape[:3], -1)

    def boxes(self) -> Tensor:
        """Where the outermost filters lie: left, top, right and bottom, `[B, 4]`, in pixels counted from 0."""
        reach = self.stride[:, None] * (self.rows.shape[1] - 1) / 2
        return torch.cat([self.centre - reach, self.centre + reach], dim=1) - 1


class Filterbank(nn.Module):
    """Lays a window of N x N filters over images, where a state `[B, H]` says: one linear layer of it.

    From a state of zero the filters tile the longer side of the image, each as wide as reaches its neighbours: what
    lies between narrow filters would have no gradient.

    Args:
        state_size: H.
        size: N.
        height, width: of the images, in pixels.
        called: what a message calls N.
        writes: whether patches are written: then gamma is small at first, so that a filter which spreads a number over
            pixels leaves about that number in each of them.

    Raises:
        ShapeError: no filter, or more of them than the image has pixels in its longer side.
    """

    def __init__(
        self, state_size: int, size: int, height: int, width: int, *, called: str = "size", writes: bool = False
    ) -> None:
        super().__init__()
        if not 1 <= size <= max(height, width):
            raise ShapeError(
                f"{called} {size}: a window has so many filters along a side, from 1 to {max(height, width)}, as there"
                " are pixels"
            )
        self.size = size
        self.height, self.width = height, width
        self.place = nn.Linear(state_size, _PLACED_BY)
        stride = max(height, width) / size
        whole = (max(height, width) - 1) / max(1, size - 1)  # of a window with zeros
        variance, apart = 2 * math.log(stride / 2), math.log(stride / max(whole, 1e-6))
        begin = [0.0, 0.0, variance, apart, -2 * math.log(stride) if writes else 0.0]
        with torch.no_grad():
            self.place.bias.copy_(torch.tensor(begin))

    def forward(self, state: Tensor) -> Window:
        """The window.

        Raises:
            ShapeError: a state of another shape.
        """
        check_shape("state", state.shape, ("B", self.place.in_features))
        with torch.autocast(state.device.type, enabled=False):  # (a place in bfloat16 is off by tenths of a pixel)
            placed = self.place(state)
        return window(placed, self.size, self.height, self.width)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.size} x {self.size} filters, {self.height} x {self.width} pixels"


def window(placed: Tensor, size: int, height: int, width: int) -> Window:
    """The window of `size` x `size` filters that numbers `[B, 5]` say: g~_X, g~_Y, log sigma^2, log delta~, log gamma.

    With zeros it is centred, and its outermost filters lie on the first and the last pixel of the longer side.
    """
    centre = (placed[:, :2] + 1) * (placed.new_tensor([width, height]) + 1) / 2
    variance, stride, intensity = placed[:, 2:].exp().unbind(dim=1)
    stride = stride * (max(height, width) - 1) / max(1, size - 1)
    columns, rows = (
        _filters(centre[:, axis], stride, variance, size, pixels) for axis, pixels in enumerate((width, height))
    )
    return Window(rows, columns, centre, stride, variance, intensity)


def _filters(centre: Tensor, stride: Tensor, variance: Tensor, size: int, pixels: int) -> Tensor:
    """F `[B, N, pixels]`: exp(-(a - mu_i)^2 / 2 sigma^2) over its sum over a, with mu_i = g + (i - N / 2 - 0.5) delta.

    The sum never vanishes, however far from the image a filter lies: this is a softmax. What is less than e^-40 of the
    most is 0: it is nothing beside it in any precision, and its products would be denormal numbers, which are slow.
    """
    numbers = torch.arange(1, size + 1, device=centre.device, dtype=centre.dtype)
    places = torch.arange(1, pixels + 1, device=centre.device, dtype=centre.dtype)
    means = centre[:, None] + (numbers - size / 2 - 0.5) * stride[:, None]  # [B, N]
    squares = (places - means[..., None]).square()  # [B, N, pixels]
    logs = -squares / (2 * variance[:, None, None])
    is_far = logs < logs.amax(dim=2, keepdim=True) - _FAR
    return logs.masked_fill(is_far, -torch.inf).softmax(dim=2)
