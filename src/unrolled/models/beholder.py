"""What looks at an image in glimpses and says what is in it, however they are chosen. Knows symbols, no places.

RAM and DRAM (`Glimpser`) and DRAW's reader (`WindowGlimpser`) are asked the same, and judged alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled.models.targets import PADDED, ended
from unrolled.shapes import check_shape


class BeholderConfig(BaseModel):
    """The sizes that all of them have.

    image: channels, height and width. objects: the most that an image has. ends: after the objects comes a symbol for
    their end. glimpses: for each of these. glimpse_size: of a side of what is seen, in pixels or in filters. asked:
    after which glimpses it has to say what it saw, while training: after an object's "last" one, or after "every" one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: tuple[int, int, int]
    classes: int = Field(ge=2)
    objects: int = Field(default=1, ge=1, le=1_000)
    ends: bool = False
    glimpses: int = Field(default=8, ge=1, le=1_000)
    glimpse_size: int = Field(default=12, ge=1, le=1_000)
    hidden_size: int = Field(default=256, ge=1, le=1_000_000)
    asked: Literal["last", "every"] = "last"

    @property
    def symbols(self) -> int:
        """How many there are to say: the classes, and the end."""
        return self.classes + self.ends

    @property
    def said(self) -> int:
        """How many symbols are said of an image."""
        return self.objects + self.ends

    @property
    def steps(self) -> int:
        """How many glimpses an image is given."""
        return self.said * self.glimpses


@dataclass(frozen=True)
class Sight:
    """What came of T glimpses at B images, for who wants to see it.

    Attributes:
        logits: of the symbols after each glimpse, `[T, B, V]`.
        boxes: left, top and side of each of its k patches, `[T, B, k, 3]`, in pixels of the image, whose first one goes
            from 0 to 1.
        seen: the patches, `[T, B, k, C, g, g]`, as they were read: an image's pixels go from 0 to 255.
        given: what the model has to be called with, behind images and lengths, to see the same without looking again;
            none where it always looks for itself.
    """

    logits: Tensor
    boxes: Tensor
    seen: Tensor
    given: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Judged:
    """How good answers after each of T glimpses are, in R runs: all B images, M times over.

    Attributes:
        told: nats of each symbol that is to be said, after its last glimpse, `[n]`, the mean of an image's runs.
        earlier: what their mean lacks to the mean over all that was asked.
        wanted: what is right, `[T, R]`, below 0 where nothing is.
        asked: whether something had to be said, `[T, R]`.
    """

    told: Tensor
    earlier: Tensor
    wanted: Tensor
    asked: Tensor


class Beholder(nn.Module, ABC):
    """Images in, a symbol for each object out, each after so many glimpses."""

    config: BeholderConfig
    rnn: nn.Module
    read_out: nn.Linear

    @abstractmethod
    def answers(self, images: Tensor, runs: int = 1) -> Tensor:
        """The logits `[S, B, V]` of the symbols, for images `[B, C, height, width]`, pixels from 0 to 255.

        Each is looked at in so many `runs`; of several they are the logarithms of the mean probabilities.

        Raises:
            ShapeError: images of another size.
        """

    @abstractmethod
    def sight(self, images: Tensor) -> Sight:
        """What one run sees of these images.

        Raises:
            ShapeError: images of another size.
        """

    @abstractmethod
    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Nats for each object of the targets `[U, B]`, and the end if there is one: `[n]`; and what else is minimised.

        Images are sequences of one, `[1, B, C, height, width]`, so `lengths` are ones.

        Raises:
            ShapeError: images of another size.
        """

    def wanted(self, targets: Tensor) -> Tensor:
        """The symbols to be said `[S, B]`, of classes `[U, B]`: the end behind them, and nothing (-1) behind that."""
        known = targets.masked_fill(targets < 0, PADDED)
        rows = F.pad(known, (0, 0, 0, self.config.objects - len(targets)), value=PADDED)
        return ended(rows, self.config.classes) if self.config.ends else rows

    def judged(self, logits: Tensor, targets: Tensor) -> Judged:
        """How good logits `[T, R, V]` are for the targets `[U, B]`."""
        count = targets.shape[1]
        wanted = self.wanted(targets).repeat_interleave(self.config.glimpses, dim=0)
        wanted = wanted.repeat(1, logits.shape[1] // count)
        nats = F.cross_entropy(logits.movedim(2, 1), wanted, ignore_index=PADDED, reduction="none")
        told = self._last(nats).view(self.config.said, -1, count).mean(dim=1)
        told = told[self._last(wanted)[:, :count] >= 0]
        asked = self._asked(wanted)
        return Judged(told, nats[asked].mean() - told.mean(), wanted, asked)

    def _last(self, of_glimpses: Tensor) -> Tensor:
        """Of `[T, ...]` what belongs to the last glimpse of each object, `[S, ...]`."""
        return of_glimpses[self.config.glimpses - 1 :: self.config.glimpses]

    def _asked(self, wanted: Tensor) -> Tensor:
        """After which glimpses `[T, R]` it has to say something."""
        is_last = torch.zeros_like(wanted, dtype=torch.bool)
        self._last(is_last).fill_(True)
        return (wanted >= 0) & is_last if self.config.asked == "last" else wanted >= 0

    def _images(self, inputs: Tensor) -> Tensor:
        """The images `[B, C, height, width]` of sequences of one each."""
        check_shape("inputs", inputs.shape, (1, "B", *self.config.image))
        return inputs[0]
