"""Sequences of symbols as a writer learns them: what it reads, and what it is to say. Knows ids, no models.

A symbol of its own, the boundary, is read first and said last.
"""

from __future__ import annotations

import torch
from torch import Tensor

PADDED = -1  # any number below 0 is a target that counts for nothing


def given_before(targets: Tensor, boundary: int) -> Tensor:
    """What is read while the targets `[U, B]` are said: the boundary before each, `[U + 1, B]`."""
    before = torch.cat([torch.full_like(targets[:1], boundary), targets])
    return before.masked_fill(before < 0, boundary)


def ended(targets: Tensor, boundary: int) -> Tensor:
    """The targets `[U, B]` with the boundary behind each, `[U + 1, B]`."""
    wanted = torch.cat([targets, torch.full_like(targets[:1], PADDED)])
    ends = (targets >= 0).sum(dim=0)
    return wanted.scatter(0, ends[None], boundary)


def parted(targets: Tensor, boundary: int) -> tuple[Tensor, Tensor]:
    """Each column of targets `[W, B]` holds sequences one behind the other, with a boundary behind each.

    Returns:
        The sequences side by side, without boundaries, `[U, N]`, those of a column in their order; and the column of
        each, `[N]`.
    """
    by_column = targets.T  # [B, W]
    is_end = by_column == boundary
    number = is_end.long().cumsum(dim=1) - is_end.long()  # of the sequence within its column that a symbol is in
    counts = is_end.sum(dim=1)
    first = counts.cumsum(dim=0) - counts  # of the sequences of a column, among all
    owners = torch.arange(len(counts), device=targets.device).repeat_interleave(counts)
    columns, places = ((by_column >= 0) & ~is_end).nonzero(as_tuple=True)
    rows = first[columns] + number[columns, places]
    ends = torch.where(is_end, torch.arange(by_column.shape[1], device=targets.device) + 1, 0)
    starts = torch.cat([torch.zeros_like(ends[:, :1]), ends.cummax(dim=1).values[:, :-1]], dim=1)
    steps = places - starts[columns, places]
    most = int(steps.max()) + 1 if len(steps) else 0
    sequences = targets.new_full((most, len(owners)), PADDED)
    sequences[steps, rows] = by_column[columns, places]
    return sequences, owners
