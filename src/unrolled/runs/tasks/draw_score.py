"""How many nats an image costs a drawer: the bound and its two parts. Trains nothing and reads no files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data import Examples
from unrolled.models import Drawer, evaluating
from unrolled.rounding import rounded
from unrolled.runs.tasks.classes_score import check_finite
from unrolled.runs.tasks.kind import ShouldStop, go_on
from unrolled.training import seed_of

_AT_ONCE = 200  # images that are drawn side by side

Nats = NDArray[np.float64]


@dataclass(frozen=True)
class DrawScore:
    """How many nats so many images cost, in the mean.

    nats: the bound, which -log p(x) does not exceed (in the mean over the noise): reconstruction, the cross entropy
    of all pixels, and latent, what it costs to say z at all steps. draws: how often each image was drawn. is_bound:
    whether pixels are 0 or 1, else the sum is no bound of anything's probability.
    """

    nats: float
    reconstruction: float
    latent: float
    count: int
    pixels: int
    draws: int
    is_bound: bool = True

    @property
    def bits(self) -> float:
        """For each pixel of each channel."""
        return self.nats / self.pixels / float(np.log(2))

    @property
    def by_name(self) -> dict[str, float]:
        """None: fewer nats are better."""
        return {}

    def rows(self) -> dict[str, str]:
        """The same for reading."""
        return {
            "nats per image": rounded(self.nats, 2) + "  (an upper bound of -log p)" * self.is_bound,
            "reconstruction": rounded(self.reconstruction, 2),
            "latent": rounded(self.latent, 2),
            "bits per pixel": rounded(self.bits),
            "images": f"{self.count:,}, each drawn {'once' if self.draws == 1 else f'{self.draws:,} times'}",
        }


@dataclass(frozen=True)
class Bounds:
    """Of each of N images, in nats, in the mean over all draws: `[N]`."""

    reconstruction: Nats
    latent: Nats

    def score(self, pixels: int, draws: int, *, is_bound: bool = True) -> DrawScore:
        """Of all of them; `pixels` of an image, in all channels."""
        parts = float(self.reconstruction.mean()), float(self.latent.mean())
        return DrawScore(sum(parts), *parts, len(self.latent), pixels, draws, is_bound)


@torch.no_grad()
def bounds_of(model: Drawer, examples: Examples, draws: int, should_stop: ShouldStop = go_on) -> Bounds | None:
    """The bounds of these images; None if it was told to stop.

    The noise is a function of an image and of the number of the draw: always the same, whatever is drawn beside it.

    Raises:
        RunError: some are no finite numbers.
    """
    device = next(model.parameters()).device
    found = []
    with evaluating(model):
        for start in range(0, len(examples), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(examples)))
            given = examples.batch(rows).inputs[0]
            images = model.pixels(given.to(device))
            of_draws = []
            for draw in range(draws):
                if should_stop():
                    return None
                drawn = model(images, noise_of(model, given, draw).to(images))
                of_draws.append(torch.stack([drawn.reconstruction(images), drawn.latent().sum(dim=0)]))
            found.append(torch.stack(of_draws).double().mean(dim=0))
    parts = torch.cat(found, dim=1).cpu().numpy()
    check_finite("bounds", parts.T)
    reconstruction, latent = parts
    return Bounds(reconstruction, latent)


def noise_of(model: Drawer, images: Tensor, draw: int = 0) -> Tensor:
    """The noise `[T, B, Z]` of images `[B, C, height, width]`, from 0 to 255, in the draw of that number."""
    digests = (hashlib.sha256(image.tobytes()).digest() for image in images.to(torch.uint8).numpy())
    return normal_noise(model, [(int.from_bytes(one[:8], "big"), draw) for one in digests])


def normal_noise(model: Drawer, seeds: Sequence[tuple[int, int]]) -> Tensor:
    """The noise `[T, B, Z]` of B images, each by a seed and a number of its own."""
    sizes = model.config.steps, model.config.latent_size
    generators = (torch.Generator().manual_seed(seed_of(seed, "sampling", number)) for seed, number in seeds)
    return torch.stack([torch.randn(sizes, generator=one) for one in generators], dim=1)
