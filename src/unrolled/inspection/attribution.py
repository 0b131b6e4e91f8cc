"""What each step of a sequence contributed to a score. Knows a model as a callable on vectors; no text and no classes.

Two answers: how much the score would lose without the step ("leave one out": Li, Monroe & Jurafsky 2016, Understanding
Neural Networks through Representation Erasure, eq. 1), and the step's share in what the score gained on the way from
nothing to the input ("integrated gradients": Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks,
eq. 1). What "nothing" is, is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unrolled.shapes import check_shape

Score = Callable[[Tensor], Tensor]  # vectors [T, B, D] -> [B]; a row's score comes from that row alone

_AT_ONCE = 16_384  # steps that are read side by side


@dataclass(frozen=True)
class Integrated:
    """Contributions `[T, D]`, and what they should come to: the score of the input less that of nothing.

    `points`: how many gradients the mean was taken of. `tolerance`: by how much the sum may be wrong.
    """

    contributions: Tensor
    difference: float
    points: int
    tolerance: float

    @property
    def total(self) -> float:
        """What the contributions sum to."""
        return float(self.contributions.sum())

    @property
    def is_complete(self) -> bool:
        """Whether that is what it should be, within the tolerance."""
        return abs(self.total - self.difference) <= self.tolerance


def integrated_gradients(
    score: Score, vectors: Tensor, nothing: Tensor, points: int = 32, most: int = 1024, tolerance: float = 0.005
) -> Integrated:
    """Integrated gradients: (x - x') times the mean of dF/dx on the straight line from x' to x.

    Contributions sum to F(x) - F(x') ("completeness"), the more nearly the more points the mean is taken of. Where the
    score is smooth a few are enough (Gauss-Legendre quadrature); where it has kinks, as with max pooling, their number
    is doubled until the sum is right.

    Args:
        score: F.
        vectors: x, of one sequence, `[T, D]`.
        nothing: x', of every step, `[D]`.
        points: on the line, at first.
        most: no more points than that.
        tolerance: by how much the sum may be wrong: a share of F(x) - F(x'), of 1 where that is less.

    Raises:
        ShapeError: `nothing` is of another width.
    """
    check_shape("nothing", nothing.shape, (vectors.shape[1],))
    vectors, base = vectors.detach(), nothing.detach().expand_as(vectors)
    with torch.no_grad():
        full, empty = score(torch.stack([vectors, base], dim=1)).tolist()
    points, allowed = min(points, most), tolerance * max(abs(full - empty), 1.0)
    while True:
        slope = _mean_slope(score, vectors, base, points)
        found = Integrated(slope * (vectors - base), full - empty, points, allowed)
        if found.is_complete or points >= most:
            return found
        points = min(2 * points, most)


def _mean_slope(score: Score, vectors: Tensor, base: Tensor, points: int) -> Tensor:
    """The mean of dF/dx on the line from `base` to `vectors`, `[T, D]`."""
    places, weights = (torch.from_numpy(one).to(vectors) for one in np.polynomial.legendre.leggauss(points))
    places, weights = (places + 1) / 2, weights / 2  # (from -1 to 1; here from 0 to 1)
    slope = torch.zeros_like(vectors)
    each = max(1, _AT_ONCE // len(vectors))
    for some, theirs in zip(torch.split(places, each), torch.split(weights, each), strict=True):
        line = base[:, None] + some[:, None] * (vectors - base)[:, None]
        with torch.enable_grad():
            line.requires_grad_()
            (slopes,) = torch.autograd.grad(score(line).sum(), line)
        slope += (theirs[:, None] * slopes).sum(dim=1)
    return slope


@torch.no_grad()
def leave_one_out(
    score: Score, vectors: Tensor, nothing: Tensor, *, each_channel: bool = False, most: int = 256
) -> Tensor:
    """What the score loses when a step is replaced by nothing, `[T, 1]`; or one channel of a step, `[T, D]`.

    Args:
        score: of vectors `[T, B, D]`, `[B]`.
        vectors: of one sequence, `[T, D]`.
        nothing: what stands for a step that is left out, `[D]`.
        each_channel: channels are left out one by one.
        most: how often the sequence is read, or once for each channel if these are more. Where that is too seldom for
            every step, so many neighbours are left out together, and each has what all of them were worth.

    Raises:
        ShapeError: `nothing` is of another width.
    """
    check_shape("nothing", nothing.shape, (vectors.shape[1],))
    steps, width = vectors.shape
    channels = width if each_channel else 1
    together = math.ceil(steps / max(1, most // channels))
    groups = math.ceil(steps / together)
    # which of the T steps belong to a group, [groups, T], and which of the D numbers to a channel, [channels, D]
    of_group = (
        torch.arange(steps, device=vectors.device) // together == torch.arange(groups, device=vectors.device)[:, None]
    )
    of_channel = (
        torch.eye(width, dtype=torch.bool, device=vectors.device) if each_channel else of_group.new_ones(1, width)
    )
    lost = []
    for row in torch.split(torch.arange(groups * channels), max(1, _AT_ONCE // steps)):
        gone = of_group[row // channels][:, :, None] & of_channel[row % channels][:, None]
        lost.append(score(torch.where(gone, nothing, vectors).transpose(0, 1)))
    whole = score(vectors[:, None])
    drops = (whole - torch.cat(lost)).view(groups, channels)
    return drops.repeat_interleave(together, dim=0)[:steps]
