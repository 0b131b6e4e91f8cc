"""Sequences that are drawn from what a writer says, many examples side by side. Knows ids, no words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.generation.beam import Kept, Writes, Written
from unrolled.generation.strategies import Strategy

_NEVER = float("-inf")


@torch.no_grad()
def draw_sequences(
    writer: Writes[Kept],
    memory: Kept,
    most: Tensor,
    strategy: Strategy,
    generators: Sequence[torch.Generator],
    banned: tuple[int, ...] = (),
) -> list[Written]:
    """A sequence for each of B examples, symbol by symbol; the same for the same generator, whatever stands beside it.

    Args:
        writer: what writes.
        memory: what is written about, B examples.
        most: `[B]`: after so many symbols a sequence has to end.
        strategy: how a symbol is chosen. The log-probability that is told is the model's own, whatever this is.
        generators: of the numbers, one for each example.
        banned: symbols that are never written.

    Raises:
        GenerationError: the model's logits are no finite numbers.
    """
    state = writer.begin(memory)
    last = torch.full_like(most, writer.boundary)
    ids: list[Tensor] = []
    looked: list[Tensor] = []
    nats = torch.zeros(len(most), dtype=torch.float64, device=most.device)
    is_over = torch.zeros_like(most, dtype=torch.bool)
    while not bool(is_over.all()):
        logits, state, places = writer.step(last, memory, state)
        drawn = [torch.rand((), generator=one, dtype=torch.float64) for one in generators]
        numbers = torch.stack(drawn).to(logits.device)
        last = strategy.choose(_allowed(logits, writer.boundary, len(ids) >= most, banned), numbers)
        of_last = logits.double().log_softmax(dim=1).gather(1, last[:, None])[:, 0]
        nats += of_last.masked_fill(is_over, 0.0)
        ids.append(last)
        if places is not None:
            looked.append(places)
        is_over = is_over | (last == writer.boundary)
    return [
        _written(torch.stack(ids)[:, row], looked, row, float(nats[row]), writer.boundary) for row in range(len(most))
    ]


def _allowed(logits: Tensor, boundary: int, must_end: Tensor, banned: tuple[int, ...]) -> Tensor:
    """The logits of what may be written; nothing but the end where a sequence has to end."""
    allowed = logits.clone()
    allowed[:, list(banned)] = _NEVER
    ends = torch.full_like(allowed, _NEVER)
    ends[:, boundary] = logits[:, boundary]
    return torch.where(must_end[:, None], ends, allowed)


def _written(ids: Tensor, looked: list[Tensor], row: int, nats: float, boundary: int) -> Written:
    count = int((ids == boundary).int().argmax())
    places = torch.stack([one[row] for one in looked[: count + 1]]) if looked else None
    return Written(tuple(ids[:count].tolist()), nats, nats, places)
