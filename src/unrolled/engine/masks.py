"""Rows that have ended and segments that start, as masks over the steps of the loop. Knows no graphs."""

from __future__ import annotations

import torch
from torch import Tensor

Masks = dict[str, Tensor]


def within(lengths: Tensor, steps: int) -> Tensor:
    """Which steps are real, `[T, B]` bool, for lengths `[B]`."""
    return torch.arange(steps, device=lengths.device).unsqueeze(1) < lengths


def masks_of(steps: int, lengths: Tensor | None, reset: Tensor | None, *, reverse: bool) -> Masks:
    """What each step of the loop has to know, by name: `[T, B]` bools.

    `valid`: the row has not ended; else it gives zeros and its states stay. `reset`: the states are zeros as the step
    begins. In the reverse direction a segment that starts at step t ends the one that was read from t on: the states
    are zeroed before t - 1.
    """
    masks: Masks = {}
    if lengths is not None:
        masks["valid"] = within(lengths, steps)
    if reset is not None:
        starts = reset & masks["valid"] if lengths is not None else reset
        if reverse:
            starts = torch.cat([starts[1:], torch.zeros_like(starts[:1])])
        masks["reset"] = starts
    return masks


def without_padding(x: Tensor, lengths: Tensor) -> Tensor:
    """X with each row's last real step in the place of its padding.

    What is computed there is thrown away. But its derivatives are multiplied by zero on the way back, and must
    be finite for that: so the padding, which may hold NaN, is not computed on, and neither are zeros, where a
    cell may have a pole.
    """
    last = (lengths - 1).clamp(min=0)
    steps = torch.arange(len(x), device=x.device).unsqueeze(1)
    real = x.gather(0, torch.minimum(steps, last).unsqueeze(-1).expand_as(x))
    return torch.where((lengths > 0).unsqueeze(-1), real, 0.0)
