"""What stands before the recurrent layers: ids become vectors, measured channels get one scale. Knows no text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from unrolled.layers import Blocks, ImageEncoder
from unrolled.shapes import check_ids, check_shape

_AT_ONCE = 1024  # frames that are encoded together: a long video would fill the memory


class Symbols(nn.Module):
    """Ids `[T, B]` to vectors `[T, B, D]`, with dropout on them.

    `token_dropout`: the probability with which, while training, an id is read as id 0, the unknown one (Iyyer et al.
    2015, "word dropout").
    """

    def __init__(self, count: int, width: int, dropout: float = 0.0, token_dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(count, width)
        self.dropout = nn.Dropout(dropout)
        self.token_dropout = token_dropout
        self.width = width

    def forward(self, ids: Tensor) -> Tensor:
        """The vectors.

        Raises:
            ShapeError: ids that are not whole numbers within the vocabulary.
        """
        ids = check_ids("ids", ids, self.embedding.num_embeddings)
        if self.training and self.token_dropout:
            ids = ids.masked_fill(torch.rand(ids.shape, device=ids.device) < self.token_dropout, 0)
        vectors: Tensor = self.dropout(self.embedding(ids))
        return vectors

    def nothing(self) -> Tensor:
        """A vector `[D]` that tells nothing: the unknown symbol's, or zero without token dropout."""
        unknown = self.embedding.weight[0]
        return unknown if self.token_dropout else torch.zeros_like(unknown)


class Channels(nn.Module):
    """Numbers `[T, B, C]` on one scale: each channel less its mean, over its deviation, in what was learned.

    `noise`: deviations of the normal noise that is added while training.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float], noise: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32))
        self.noise = noise
        self.width = len(mean)

    def forward(self, numbers: Tensor) -> Tensor:
        """The channels, scaled.

        Raises:
            ShapeError: another number of channels.
        """
        check_shape("inputs", numbers.shape, ("T", "B", self.width))
        return _noisy(self, (numbers - self.mean) / self.deviation)

    def nothing(self) -> Tensor:
        """A vector `[C]` that tells nothing: each channel at its mean."""
        return torch.zeros_like(self.mean)


class Frames(nn.Module):
    """Images `[T, B, C, height, width]` to vectors `[T, B, width]`: scaled as `Channels`, each through an encoder.

    `noise`: as of `Channels`, on every pixel. `dropout`: on the vectors.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int,
        blocks: Blocks,
        mean: Sequence[float],
        deviation: Sequence[float],
        *,
        dropout: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.width = width
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None, None])
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32)[:, None, None])
        self.noise = noise
        self.encoder = ImageEncoder(*shape, width, blocks)
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        """The vectors.

        Raises:
            ShapeError: images of another size.
        """
        check_shape("inputs", images.shape, ("T", "B", *self.shape))
        scaled = _noisy(self, (images - self.mean) / self.deviation)
        parts = torch.split(scaled.flatten(0, 1), _AT_ONCE)
        vectors: Tensor = self.dropout(torch.cat([self.encoder(one) for one in parts]))
        return vectors.view(*images.shape[:2], self.width)

    def nothing(self) -> Tensor:
        """A vector `[width]` that tells nothing: that of a frame whose every pixel is its channel's mean."""
        vectors: Tensor = self.encoder(self.mean.new_zeros(1, *self.shape))
        return vectors[0]


def _noisy(front: Channels | Frames, scaled: Tensor) -> Tensor:
    """Numbers with the noise that a front adds while it is trained."""
    return scaled + front.noise * torch.randn_like(scaled) if front.training and front.noise else scaled


class FrontConfig(BaseModel):
    """What a model reads: one of `vocab_size` ids, or channels with these means and deviations, of numbers or frames.

    `frame`: channels, height and width of a frame; None: the channels are numbers. `embedding_size`: of ids and frames.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocab_size: int = Field(default=0, ge=0)
    embedding_size: int = Field(default=64, ge=1, le=1_000_000)
    frame: tuple[int, int, int] | None = None
    blocks: Blocks = "residual"
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    dropout: float = Field(default=0.0, ge=0, lt=1)
    token_dropout: float = Field(default=0.0, ge=0, lt=1)
    noise: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_of_both(self) -> FrontConfig:
        if bool(self.vocab_size) == bool(self.mean) or len(self.mean) != len(self.deviation):
            raise ValueError("a model reads ids or channels: give a vocab_size, or means and deviations")
        return self

    def made(self) -> Symbols | Channels | Frames:
        """The module."""
        if self.vocab_size:
            return Symbols(self.vocab_size, self.embedding_size, self.dropout, self.token_dropout)
        if self.frame is not None:
            return Frames(
                self.frame,
                self.embedding_size,
                self.blocks,
                self.mean,
                self.deviation,
                dropout=self.dropout,
                noise=self.noise,
            )
        return Channels(self.mean, self.deviation, self.noise)
