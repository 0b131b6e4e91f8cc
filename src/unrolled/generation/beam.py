"""Beam search: the likeliest sequences that a writer can write, many examples side by side. Knows ids, no words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from unrolled.engine import State
from unrolled.errors import ConfigError
from unrolled.generation.strategies import not_finite

_NEVER = float("-inf")


class Remembered(Protocol):
    """What a writer writes about: B examples, of which rows can be picked."""

    def pick(self, rows: Tensor) -> Self:
        """Some of the examples, in that order."""
        ...


Kept = TypeVar("Kept", bound=Remembered)
KeptIn = TypeVar("KeptIn", bound=Remembered, contravariant=True)


class Writes(Protocol[KeptIn]):
    """What can be searched: see `models.Writer`. The symbol `boundary` begins and ends a sequence."""

    boundary: int

    def begin(self, memory: KeptIn) -> State:
        """The states `[L, B, width]` before the first symbol."""
        ...

    def step(self, ids: Tensor, memory: KeptIn, state: State) -> tuple[Tensor, State, Tensor | None]:
        """Logits `[R, V]` of the next symbols, states, and where the writer looked, `[R, S]`, if it says so."""
        ...


@dataclass(frozen=True)
class Beam:
    """How widely to search.

    width: how many unfinished sequences are kept of each example; 1: greedy. length_penalty: sequences are ranked by
    their log-probability over their number of symbols (end included) to this power; 0: by the log-probability alone.
    """

    width: int = 5
    length_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 10_000:
            raise ConfigError(f"a beam of {self.width}: give a width from 1 to 10,000")
        if not 0 <= self.length_penalty <= 10:
            raise ConfigError(f"a length penalty of {self.length_penalty}: give a number from 0 to 10")

    def score(self, nats: float, symbols: int) -> float:
        """What a sequence of that log-probability is ranked by."""
        return nats / float(symbols**self.length_penalty)


@dataclass(frozen=True)
class Written:
    """A sequence that was found.

    ids: without the boundary. log_probability: in nats, that of the end included. score: by which it is ranked.
    places: where the writer looked as it wrote each symbol, the end included, `[U + 1, S]`; None if it does not say.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    places: Tensor | None = field(default=None, compare=False)


@torch.no_grad()
def beam_search(
    writer: Writes[Kept],
    memory: Kept,
    most: Tensor,
    beam: Beam = Beam(),
    banned: tuple[int, ...] = (),
) -> list[list[Written]]:
    """The best sequences for each of B examples, at most `beam.width` of each, the best first.

    At each step the likeliest continuations of an example are as many as the beam is wide; those of them that end are
    found, and the best of all that do not end are followed (as in fairseq). The search is over as soon as so many were
    found. It is exhaustive where the beam is as wide as there are sequences, and greedy with a width of 1.

    Args:
        writer: what writes.
        memory: what is written about, B examples.
        most: `[B]`: after so many symbols a sequence has to end.
        beam: how widely to search.
        banned: symbols that are never written.

    Raises:
        GenerationError: the model's logits are no finite numbers.
    """
    return _Search(writer, memory, most, beam, banned).run()


def beam_or_greedy(
    writer: Writes[Kept],
    memory: Kept,
    most: Tensor,
    beam: Beam = Beam(),
    banned: tuple[int, ...] = (),
) -> list[list[Written]]:
    """As `beam_search`, and what greedy search finds is among the candidates: the best is never worse than that.

    (A beam can lose the greedy sequence on the way to one that ends up less likely.)
    """
    found = beam_search(writer, memory, most, beam, banned)
    if beam.width == 1:
        return found
    greedy = beam_search(writer, memory, most, Beam(1, beam.length_penalty), banned)
    return [
        sorted({one.ids: one for one in (*others, *ranked)}.values(), key=lambda one: -one.score)[: beam.width]
        for ranked, others in zip(found, greedy, strict=True)
    ]


class _Search(Generic[Kept]):
    """What changes from step to step: R = B x width rows, those of an example side by side."""

    def __init__(self, writer: Writes[Kept], memory: Kept, most: Tensor, beam: Beam, banned: tuple[int, ...]) -> None:
        self.writer, self.beam, self.most, self.banned = writer, beam, most, banned
        self.examples, self.width = len(most), beam.width
        first = torch.arange(self.examples, device=most.device).repeat_interleave(self.width)
        self.memory = memory.pick(first)
        self.state = writer.begin(self.memory)
        self.ids = torch.zeros((0, len(first)), dtype=torch.long, device=most.device)
        self.looked: list[Tensor] = []
        # one row of each example is alive at first, else all would write the same
        self.nats = torch.full((self.examples, self.width), _NEVER, device=most.device, dtype=torch.float64)
        self.nats[:, 0] = 0.0
        self.found: list[list[Written]] = [[] for _ in range(self.examples)]

    def run(self) -> list[list[Written]]:
        """Step until every example has found enough, or has nothing to follow."""
        while bool((self.nats[:, 0] > _NEVER).any()):
            last = self.ids[-1] if len(self.ids) else self.ids.new_full(self.ids.shape[1:], self.writer.boundary)
            logits, self.state, places = self.writer.step(last, self.memory, self.state)
            if places is not None:
                self.looked.append(places)
            nats = logits.double().log_softmax(dim=1).view(self.examples, self.width, -1)
            if not bool(nats[self.nats > _NEVER].isfinite().all()):
                raise not_finite()
            nats[:, :, list(self.banned)] = _NEVER
            nats += self.nats[..., None]
            ends = nats[:, :, self.writer.boundary].clone()
            nats[len(self.ids) >= self.most] = _NEVER  # (these have to end)
            nats[:, :, self.writer.boundary] = ends
            self._end(ends, nats.flatten(1))
            nats[:, :, self.writer.boundary] = _NEVER
            self._go_on(nats)
        return [sorted(found, key=lambda one: -one.score)[: self.width] for found in self.found]

    def _end(self, ends: Tensor, every: Tensor) -> None:
        """Sequences end here whose end is among the likeliest of `every` continuation `[B, n]` of their example."""
        least = every.topk(self.width, dim=1).values[:, -1:]
        symbols = len(self.ids) + 1
        for example, place in ((ends >= least) & (ends > _NEVER)).nonzero().tolist():
            row, nats = example * self.width + place, float(ends[example, place])
            places = torch.stack([one[row] for one in self.looked]) if self.looked else None
            ids = tuple(self.ids[:, row].tolist())
            self.found[example].append(Written(ids, nats, self.beam.score(nats, symbols), places))

    def _go_on(self, nats: Tensor) -> None:
        """Each example that has not found enough keeps its best unfinished sequences, each with one symbol more."""
        symbols = nats.shape[2]
        best, chosen = nats.flatten(1).topk(self.width, dim=1)
        has_enough = torch.tensor([len(found) >= self.width for found in self.found], device=best.device)
        self.nats = best.masked_fill(has_enough[:, None], _NEVER)
        starts = torch.arange(self.examples, device=best.device)[:, None] * self.width
        rows = (starts + chosen // symbols).flatten()
        self.ids = torch.cat([self.ids[:, rows], (chosen % symbols).flatten()[None]])
        self.state = {name: value[:, rows] for name, value in self.state.items()}
        self.looked = [one[rows] for one in self.looked]
