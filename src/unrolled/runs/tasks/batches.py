"""Reading all examples in batches: their loss, or what comes of each, in their order. Knows no kind of work."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data import Batch, Examples, Ragged
from unrolled.models import evaluating

_AT_ONCE = 64  # examples that are read side by side


@torch.no_grad()
def read_all(
    model: nn.Module,
    examples: Examples,
    read: Callable[[Batch], Tensor],
    ends: NDArray[np.int64],
    should_stop: Callable[[], bool] = lambda: False,
) -> Ragged | None:
    """What `read` makes of every example, in float64; None if it was told to stop.

    Args:
        model: is in evaluation meanwhile.
        examples: N of them.
        read: of a batch of B, numbers `[U, B, K]`, or `[B, K]` where there is one row of them for each example.
        ends: where the rows of each example end in what is found, `[N]`: `examples.targets.ends`, or those of inputs.
        should_stop: is asked before each batch.
    """
    device = next(model.parameters()).device
    lengths = np.diff(ends, prepend=0)
    found: list[NDArray[np.float64]] = [np.zeros(0)] * len(examples)
    with evaluating(model):
        for rows in examples.in_order(_AT_ONCE):
            if should_stop():
                return None
            numbers = read(examples.batch(rows).to(device)).double().cpu().numpy()
            numbers = numbers.reshape(-1, len(rows), numbers.shape[-1])
            for place, row in enumerate(rows.tolist()):
                found[row] = numbers[: lengths[row], place]
    return Ragged(np.concatenate(found), ends)


@torch.no_grad()
def nats_of(model: nn.Module, examples: Examples, should_stop: Callable[[], bool] = lambda: False) -> float | None:
    """The mean of a learner's losses over all examples, in nats; None if it was told to stop."""
    device = next(model.parameters()).device
    total, count = 0.0, 0
    with evaluating(model):
        for rows in examples.in_order(_AT_ONCE):
            if should_stop():
                return None
            batch = examples.batch(rows).to(device)
            made = model.losses(batch.inputs, batch.lengths, batch.targets)  # type: ignore[operator]
            losses = made[0] if isinstance(made, tuple) else made
            total, count = total + float(losses.double().sum()), count + losses.numel()
    return total / count
