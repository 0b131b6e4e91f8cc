"""The glimpse sensor: square patches of an image around a place, finer in the middle. Knows images, no networks.

Mnih et al. 2014 (Recurrent Models of Visual Attention), section 3.1: k patches around one place, each next one s times
as wide, all brought to g x g pixels. A location is (x, y): x to the right, y down, each from -1 to 1.

What the paper leaves open, and decides how well it works, is how near the border a glimpse can go. Here location 0 is
the middle of the image, and 1 is `reach` times half a side away from it: with a reach of 1 on the very border. What a
patch has outside of the image is zero. A patch begins at a whole pixel, the one nearest to where its middle would be at
the location; two as near: the one further right, or down.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.errors import ShapeError
from unrolled.shapes import check_shape, check_tensor


@dataclass(frozen=True)
class Sums:
    """B images, as the sensor reads them: at `[..., i, j]` the sum of all pixels above row i and left of column j.

    A mean over any square is then four numbers, however large it is, and nothing outside of the image is ever read
    (Crow 1984, "Summed-area tables").

    values: `[B, C, height + 1, width + 1]`, float64: exact where pixels are whole numbers.
    dtype: of what is read.
    """

    values: Tensor
    dtype: torch.dtype

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.values.shape[2] - 1, self.values.shape[3] - 1


class Sensor(nn.Module):
    """Glimpses `[..., B, k, C, g, g]` of images `[B, C, height, width]` at locations `[..., B, 2]`, any number of each.

    Gradients go to the images, none to the locations.

    Args:
        size: g, pixels of a side of what is seen.
        scales: k, how many patches.
        factor: s, how many times as wide each is as the one before; each pixel of a wide one is a mean.
        reach: of a half side, how far from the middle a glimpse can be.

    Raises:
        ShapeError: a size below 1, or no reach above 0.
    """

    def __init__(self, size: int, scales: int = 1, factor: int = 2, reach: float = 1.0) -> None:
        super().__init__()
        if min(size, scales, factor) < 1 or not reach > 0:
            raise ShapeError(
                f"a sensor of {size} pixels, {scales} scales, factor {factor}, reach {reach:g}: give whole numbers of 1"
                " or more, and a reach above 0"
            )
        self.size = size
        self.factor = factor
        self.scales = scales
        self.reach = reach
        # how many pixels of the image one of a glimpse is wide
        self.cells = tuple(factor**scale for scale in range(scales))

    def forward(self, images: Tensor, locations: Tensor) -> Tensor:
        """The glimpses.

        Raises:
            ShapeError: other shapes.
        """
        return self.at(self.sums(images), locations)

    def sums(self, images: Tensor) -> Sums:
        """Images `[B, C, height, width]`, of which several glimpses are to be read.

        Raises:
            ShapeError: another shape.
        """
        check_tensor("images", images)
        check_shape("images", images.shape, ("B", "C", "height", "width"))
        summed = images.double().cumsum(dim=2).cumsum(dim=3)
        dtype = images.dtype if images.is_floating_point() else torch.get_default_dtype()
        return Sums(nn.functional.pad(summed, (1, 0, 1, 0)), dtype)

    def at(self, sums: Sums, locations: Tensor) -> Tensor:
        """The glimpses of images that were summed up."""
        check_tensor("locations", locations)
        count, channels = sums.values.shape[:2]
        shape = locations.shape
        check_shape("locations", shape[-2:], (count, 2))
        height, width = sums.size
        places = locations.reshape(-1, count, 2).transpose(0, 1)  # [B, R, 2]
        columns = self._lines(places[..., 0], width)  # [B, R, k, g + 1]
        rows = self._lines(places[..., 1], height)
        corners = rows[..., :, None] * (width + 1) + columns[..., None, :]  # [B, R, k, g + 1, g + 1]
        index = corners.flatten(1)[:, None].expand(-1, channels, -1)
        found = sums.values.flatten(2).gather(2, index).view(count, channels, *corners.shape[1:])
        below = found[..., 1:, :] - found[..., :-1, :]
        totals = below[..., 1:] - below[..., :-1]  # [B, C, R, k, g, g]
        areas = totals.new_tensor([cell * cell for cell in self.cells])
        means = (totals / areas[:, None, None]).to(sums.dtype)
        return means.permute(2, 0, 3, 1, 4, 5).reshape(*shape[:-1], self.scales, channels, self.size, self.size)

    def starts(self, places: Tensor, pixels: int) -> Tensor:
        """The first pixel, of so many in a line, of each patch at these places `[...]` from -1 to 1: `[..., k]`."""
        middle = (1 + self.reach * places.double()) * (pixels / 2)
        sides = middle.new_tensor([cell * self.size for cell in self.cells])
        return torch.floor(middle[..., None] - sides / 2 + 0.5).long()

    def boxes(self, locations: Tensor, height: int, width: int) -> Tensor:
        """Left, top and side of each patch, in pixels: whole numbers `[..., k, 3]`, of locations `[..., 2]`."""
        left, top = (self.starts(locations[..., place], pixels) for place, pixels in enumerate((width, height)))
        sides = torch.tensor([cell * self.size for cell in self.cells], device=left.device).expand_as(left)
        return torch.stack([left, top, sides], dim=-1)

    def _lines(self, places: Tensor, pixels: int) -> Tensor:
        """The lines between the pixels of each patch, those outside brought to the border: `[..., k, g + 1]`."""
        cells = torch.tensor(self.cells, device=places.device)
        lines = torch.arange(self.size + 1, device=places.device) * cells[:, None]
        return (self.starts(places, pixels)[..., None] + lines).clamp(0, pixels)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.size}, scales={self.scales}, factor={self.factor}, reach={self.reach:g}"
