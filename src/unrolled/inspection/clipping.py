"""What clipping does to exploding gradients: by norm, and element by element. Knows random networks, trains nothing.

By norm (Pascanu, Mikolov & Bengio 2013, algorithm 1): g becomes g threshold/||g|| where ||g|| >= threshold. It is
shorter, and points where it did. Element by element each number is cut to [-threshold, threshold]: the largest lose
most, and the direction turns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.errors import ConfigError
from unrolled.inspection.flow import Activation, check_sizes, random_matrices, weight_gradients

_SMALLEST = 1e-100  # below it torch's clipping leaves nothing


@dataclass(frozen=True)
class Cut:
    """A gradient that was clipped: its norm, and the cosine of the angle to what it was before."""

    norm: float
    cosine: float


@dataclass(frozen=True)
class Clipping:
    """What became of dL/dW in many networks, medians over those whose gradient was at least the threshold.

    `clipped`: the share of those. `norm`: before. None: there are none.
    """

    radius: float | None
    clipped: float
    norm: float | None
    by_norm: Cut | None
    by_element: Cut | None


def clippings(
    threshold: float = 5.0,
    radii: Sequence[float | None] = (None, 1.1, 2.0),
    *,
    seeds: int = 300,
    hidden: int = 5,
    steps: int = 50,
    activation: Activation = "relu",
    seed: int = 0,
) -> list[Clipping]:
    """Clip dL/dW of the random networks of `fates` in both ways, for each spectral radius (None: as drawn).

    Raises:
        ConfigError: a threshold, radius or number out of range, no such activation, or gradients too large for float64.
    """
    if not _SMALLEST <= threshold < math.inf:
        raise ConfigError(f"a threshold of {threshold:g}: give a number from {_SMALLEST:g} on")
    check_sizes(radii, seeds=seeds, hidden=hidden, steps=steps)
    table = []
    for radius in radii:
        gradients = weight_gradients(random_matrices(seeds, hidden, radius, seed), steps, activation, seed + 1)
        if not bool(gradients.isfinite().all()):
            raise ConfigError(f"in {steps} steps gradients exceed the largest number there is: give fewer steps")
        table.append(_clipping(radius, gradients, threshold))
    return table


def _clipping(radius: float | None, gradients: Tensor, threshold: float) -> Clipping:
    large = gradients[gradients.flatten(1).norm(dim=1) >= threshold]
    share = len(large) / len(gradients)
    if not len(large):
        return Clipping(radius, share, None, None, None)
    by_norm, by_element = (torch.stack([_cut(one, threshold, is_whole) for one in large]) for is_whole in (True, False))
    norm = float(large.flatten(1).norm(dim=1).median())
    return Clipping(radius, share, norm, _compared(by_norm, large), _compared(by_element, large))


def _cut(gradient: Tensor, threshold: float, is_whole: bool) -> Tensor:
    parameter = nn.Parameter(torch.zeros_like(gradient))
    parameter.grad = gradient.clone()
    if is_whole:
        nn.utils.clip_grad_norm_([parameter], threshold)
    else:
        nn.utils.clip_grad_value_([parameter], threshold)
    return parameter.grad


def _compared(after: Tensor, before: Tensor) -> Cut:
    after, before = after.flatten(1), before.flatten(1)
    one, other = (_directions(gradients) for gradients in (after, before))
    cosines = (one * other).sum(dim=1)
    return Cut(float(after.norm(dim=1).median()), float(cosines.median()))


def _directions(gradients: Tensor) -> Tensor:
    """Of length 1, however small or large they are."""
    scaled = gradients / gradients.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    directions: Tensor = scaled / scaled.norm(dim=1, keepdim=True)
    return directions
