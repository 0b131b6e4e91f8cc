"""What a model reads: the input of its ONNX files, and examples of it. Knows nothing behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor, nn

from unrolled.errors import ExportError
from unrolled.exporting.sheet import Numbers, Sheet
from unrolled.models.front import Channels, Frames, Symbols


@dataclass(frozen=True)
class Reading:
    """A step of what is read: its kind of numbers and its shape; drawn around `mean`, or below `count`."""

    numbers: Numbers
    shape: tuple[int, ...] = ()
    count: int = 0
    mean: Tensor = torch.zeros(())
    deviation: Tensor = torch.ones(())

    def input(self, sheet: Sheet, *before: str) -> str:
        """The input of a sheet: `before` are the letters of the sizes that stand before a step's."""
        return sheet.input("inputs", self.numbers, (*before, *self.shape))

    def draw(self, lengths: Tensor) -> Tensor:
        """Inputs `[T, B, ...]`, always the same; T is the greatest of the lengths `[B]`. Past them, numbers are NaN."""
        generator = torch.Generator().manual_seed(0)
        shape = (int(lengths.max()), len(lengths), *self.shape)
        if self.count:
            return torch.randint(self.count, shape, generator=generator)
        drawn = self.mean + self.deviation * torch.randn(shape, generator=generator)
        real = torch.arange(len(drawn))[:, None] < lengths
        return torch.where(real.view(*real.shape, *(1 for _ in self.shape)), drawn, torch.nan)


@singledispatch
def reading(front: nn.Module) -> Reading:
    """What a front reads.

    Raises:
        ExportError: nobody has said it.
    """
    raise ExportError(
        f"a model that reads through a {type(front).__name__} cannot be exported: nobody has said what it reads"
    )


@reading.register
def _(front: Symbols) -> Reading:
    return Reading("int64", count=front.embedding.num_embeddings)


@reading.register
def _(front: Channels) -> Reading:
    return Reading("float32", (front.width,), mean=front.mean, deviation=front.deviation)


@reading.register
def _(front: Frames) -> Reading:
    return Reading("float32", front.shape, mean=front.mean, deviation=front.deviation)


def some_lengths(steps: int, rows: int) -> Tensor:
    """Rows of different lengths `[B]`; one has all steps, one none."""
    return torch.tensor([steps - row * steps // (rows - 1) for row in range(rows)])
