"""Visual attention that has a gradient: DRAW's reader as a classifier. Knows no files.

Gregor et al. 2015, "DRAW: A Recurrent Neural Network For Image Generation": the window of section 3.2, in a network
that draws nothing and says what it has read (section 4.1, where it is called a differentiable RAM).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.equations import Cell, Graph
from unrolled.layers import Filterbank, Recurrent, Window
from unrolled.models.beholder import Beholder, BeholderConfig, Sight
from unrolled.models.glimpse import Scaled
from unrolled.models.walk import Walk
from unrolled.shapes import check_shape

_EDGE = 0.5  # pixels: windows are counted from the middle of the first pixel, boxes from its edge


class WindowGlimpserConfig(BeholderConfig):
    """The sizes of a glimpser with a window; `glimpse_size`: N of its N x N filters."""


@dataclass(frozen=True)
class Reading:
    """What was read of B images in T glimpses.

    Attributes:
        windows: through which, `[T]`.
        seen: the patches `[T, B, C, N, N]`, times the window's intensity.
        hidden: the state after each, `[T, B, H]`.
    """

    windows: list[Window]
    seen: Tensor
    hidden: Tensor


class WindowGlimpser(Beholder):
    """Images in, a class for each object out, read through a window of N x N Gaussian filters.

    Before each glimpse a linear layer of the state says where the window lies, how wide it is and how strongly it
    reads; the first state is zero, and its window has the whole image. The patch is what the recurrent layer reads. All
    of it has a gradient: where to look is learned as everything else is, by the classes.
    """

    config: WindowGlimpserConfig
    rnn: Recurrent

    def __init__(self, config: WindowGlimpserConfig, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        channels, height, width = config.image
        self.scaled = Scaled()
        self.rnn = Recurrent(cell, channels * config.glimpse_size**2, config.hidden_size)
        self.filters = Filterbank(self.rnn.output_size, config.glimpse_size, height, width, called="glimpse_size")
        self.read_out = nn.Linear(self.rnn.output_size, config.symbols)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """The logits `[S, B, V]` of the symbols, for images `[1, B, C, height, width]`, pixels from 0 to 255.

        `lengths`: 1 for each, as an image is a sequence of one.

        Raises:
            ShapeError: images of another size.
        """
        del lengths
        return self.answers(self._images(inputs))

    def answers(self, images: Tensor, runs: int = 1) -> Tensor:
        """The logits `[S, B, V]`. Nothing is drawn: all runs would be the same, and it makes one."""
        del runs
        logits: Tensor = self.read_out(self._last(self.read(images).hidden))
        return logits

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Nats for each object of the targets `[U, B]`, and the end if there is one: `[n]`.

        They are those after an object's last glimpse; beside them stand those after earlier ones, if they are asked
        for.
        """
        del lengths
        judged = self.judged(self.read_out(self.read(self._images(inputs)).hidden), targets)
        return judged.told, judged.earlier

    def read(self, images: Tensor) -> Reading:
        """Read images `[B, C, height, width]`, glimpse by glimpse.

        Raises:
            ShapeError: images of another size.
        """
        check_shape("images", images.shape, ("B", *self.config.image))
        images = images.to(self.read_out.weight)
        walk, state = Walk(self.rnn), images.new_zeros(len(images), self.rnn.output_size)
        windows, seen, hidden = list[Window](), list[Tensor](), list[Tensor]()
        for _ in range(self.config.steps):
            windows.append(self.filters(state))
            seen.append(windows[-1].read(images))
            state = walk.step(self.scaled(seen[-1]).flatten(1))
            hidden.append(state)
        return Reading(windows, torch.stack(seen), torch.stack(hidden))

    def sight(self, images: Tensor) -> Sight:
        """What it sees of these images. A box goes from the first filter's centre to the last one's."""
        found = self.read(images)
        corners = torch.stack([one.boxes() for one in found.windows])[:, :, None]  # [T, B, 1, 4]
        sides = corners[..., 2:3] - corners[..., :1]
        boxes = torch.cat([corners[..., :2] + _EDGE, sides], dim=-1)
        return Sight(self.read_out(found.hidden), boxes, found.seen[:, :, None])
