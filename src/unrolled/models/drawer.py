"""A drawer: an encoder looks at an image again and again, a decoder draws it step by step. Knows pixels, no files.

DRAW: Gregor et al. 2015, "DRAW: A Recurrent Neural Network For Image Generation".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.equations import Cell, Graph
from unrolled.layers import Recurrent, Window, is_watched, wobbled
from unrolled.models.canvas import Pen, Reader
from unrolled.models.walk import Walk
from unrolled.models.whole_drawing import WholeDrawing, can_be_whole
from unrolled.shapes import check_shape

_BRIGHTEST = 255  # of a pixel as it comes
_SUREST = 0.01  # a pixel that was always dark may be bright once


class DrawerConfig(BaseModel):
    """The sizes of a drawer.

    shape: channels, height and width of the images. steps: T. latent_size: numbers z that are drawn at each step.
    read_size, write_size: N of the windows; 0: without attention. threshold: a pixel that is so bright, of 255, is 1,
    and 0 else; 0: a pixel is its brightness / 255. shift, turn: see `wobbled`, while training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: tuple[int, int, int]
    steps: int = Field(ge=1, le=10_000)
    hidden_size: int = Field(ge=1, le=1_000_000)
    num_layers: int = Field(default=1, ge=1, le=1_000)
    latent_size: int = Field(ge=1, le=1_000_000)
    read_size: int = Field(default=0, ge=0)
    write_size: int = Field(default=0, ge=0)
    threshold: int = Field(default=128, ge=0, le=_BRIGHTEST)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    shift: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    turn: float = Field(default=0.0, ge=0, le=180)


@dataclass(frozen=True)
class Drawing:
    """What was drawn of B images in T steps.

    Attributes:
        canvases: c_0 to c_T, `[T + 1, B, C, height, width]`, as logits: the sigmoid is how likely each pixel is 1.
        mean, log_deviation: of each z, as the encoder says it, `[T, B, Z]`; None where z came from the prior.
        read, written: the windows of each step, `[T]`; empty without attention, `read` also where nothing was read.
    """

    canvases: Tensor
    mean: Tensor | None
    log_deviation: Tensor | None
    read: list[Window]
    written: list[Window]

    def latent(self) -> Tensor:
        """KL(q(z_t) || N(0, 1)) in nats, `[T, B]`: what it costs to say each step's z.

        1/2 sum(mu^2 + sigma^2 - log sigma^2 - 1) over the numbers of z (section 2.2).
        """
        assert self.mean is not None
        assert self.log_deviation is not None
        terms = self.mean.square() + (2 * self.log_deviation).exp() - 2 * self.log_deviation - 1
        return terms.sum(dim=2) / 2

    def reconstruction(self, images: Tensor, after: int = -1) -> Tensor:
        """-log p(x | z) in nats, `[B]`: the cross entropy of images `[B, C, height, width]`, over all pixels.

        after: the number of steps that the canvas is taken after; -1: all.
        """
        nats = F.binary_cross_entropy_with_logits(self.canvases[after], images, reduction="none")
        return nats.flatten(1).sum(dim=1)


class Drawer(nn.Module):
    """Images in, a canvas that grows towards them out, and at what cost.

    At each step (section 2.1): x^ = x - sigmoid(c), what the canvas lacks; r = read(x, x^, h_dec); the encoder reads
    [r, h_dec] and says where z is to be drawn from; the decoder reads z; c = c + write(h_dec).

    The blank canvas c_0 is learned, see `begin_with`. The states of encoder and decoder start from zeros, so with
    `steps=1` this is a variational autoencoder with one layer of that cell on each side.
    """

    def __init__(self, config: DrawerConfig, cell: Cell | Graph | str) -> None:
        super().__init__()
        self.config = config
        sizes = config.hidden_size, config.num_layers
        self.decoder = Recurrent(cell, config.latent_size, *sizes, dropout=config.dropout)
        state_size = self.decoder.output_size
        self.reader = Reader(config.shape, state_size, config.read_size)
        self.encoder = Recurrent(cell, self.reader.size + state_size, *sizes, dropout=config.dropout)
        self.latent = nn.Linear(self.encoder.output_size, 2 * config.latent_size)
        self.pen = Pen(config.shape, state_size, config.write_size)
        self.blank = nn.Parameter(torch.zeros(config.shape))
        self.dropout = nn.Dropout(config.dropout)
        can = not (config.read_size or config.write_size) and can_be_whole(self.encoder, self.decoder)
        self._whole = WholeDrawing(self.encoder, self.decoder, self.latent, self.pen.write) if can else None

    @torch.no_grad()
    def begin_with(self, mean: Tensor) -> None:
        """Let the blank canvas be the mean of all images, of so many numbers from 0 to 1.

        Without it, hundreds of steps of training find out that corners are dark.
        """
        self.blank.copy_(mean.clamp(_SUREST, 1 - _SUREST).logit().view_as(self.blank))

    def noise(self, count: int) -> Tensor:
        """What a drawing is made from, for so many images: normal numbers `[T, count, Z]`, of the default generator."""
        like = self.blank
        return torch.randn(self.config.steps, count, self.config.latent_size, dtype=like.dtype, device=like.device)

    def forward(self, images: Tensor, noise: Tensor) -> Drawing:
        """Draw images `[B, C, height, width]` of numbers from 0 to 1, z_t = mu_t + sigma_t noise_t, noise `[T, B, Z]`.

        Raises:
            ShapeError: other shapes.
        """
        check_shape("images", images.shape, ("B", *self.config.shape))
        return self._drawn(images, noise, len(images))

    def imagined(self, noise: Tensor) -> Drawing:
        """Draw what nobody has shown it: z comes from the prior, and is the noise `[T, B, Z]` itself (section 2.3).

        Raises:
            ShapeError: another shape.
        """
        return self._drawn(None, noise, noise.shape[1])

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Nats for each image, `[B]`, of inputs `[1, B, C, height, width]` from 0 to 255: reconstruction and latent.

        Both together are an upper bound of -log p(x), in the mean over the noise, which is drawn anew. Where nobody
        looks on, all steps are one equation (see `WholeDrawing`); `forward` goes step by step.
        """
        del lengths, targets  # (an image is one step, and what belongs to it plays no part)
        images = self.pixels(inputs[0])
        noise = self.noise(len(images))
        at_once = self._at_once(images, noise)
        drawn: Drawing = self(images, noise) if at_once is None else at_once
        return drawn.reconstruction(images) + drawn.latent().sum(dim=0)

    def pixels(self, images: Tensor) -> Tensor:
        """Images `[B, C, height, width]` from 0 to 255 as what is to be drawn, from 0 to 1.

        While training they are wobbled before. A threshold makes of each pixel 0 or 1, always the same.
        """
        config = self.config
        if self.training and (config.shift or config.turn):
            images = wobbled(images, config.shift, config.turn)
        if config.threshold:
            return (images >= config.threshold).to(self.blank)
        return images.to(self.blank) / _BRIGHTEST

    def _at_once(self, images: Tensor, noise: Tensor) -> Drawing | None:
        """What `forward` gives, by one equation; None where it takes more than that."""
        is_dropped = self.training and self.config.dropout > 0
        if self._whole is None or is_dropped or is_watched(self.encoder, self.decoder):
            return None
        canvases, mean, log_deviation = self._whole.run(images.flatten(1), self.blank.flatten(), noise)
        blank = self.blank.expand(1, len(images), *self.config.shape)
        drawn = canvases.view(len(noise), *blank.shape[1:])
        return Drawing(torch.cat([blank, drawn]), mean, log_deviation, [], [])

    def _drawn(self, images: Tensor | None, noise: Tensor, count: int) -> Drawing:
        check_shape("noise", noise.shape, (self.config.steps, count, self.config.latent_size))
        canvas = self.blank.expand(count, *self.config.shape)
        canvases, said, read, written = [canvas], [], list[Window](), list[Window]()
        hidden = noise.new_zeros(count, self.decoder.output_size)
        encoder, decoder = Walk(self.encoder), Walk(self.decoder)
        for z in noise:
            if images is not None:
                seen, window = self.reader(images, images - canvas.sigmoid(), hidden)
                read += [] if window is None else [window]
                found = encoder.step(torch.cat([seen, hidden], dim=1))
                mean, log_deviation = self.latent(self.dropout(found)).chunk(2, dim=1)
                said.append((mean, log_deviation))
                z = mean + log_deviation.exp() * z
            hidden = decoder.step(z)
            added, window = self.pen(self.dropout(hidden))
            written += [] if window is None else [window]
            canvas = canvas + added
            canvases.append(canvas)
        means, log_deviations = (torch.stack(each) for each in zip(*said, strict=True)) if said else (None, None)
        return Drawing(torch.stack(canvases), means, log_deviations, read, written)
