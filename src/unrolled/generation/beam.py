"""Beam search: the likeliest sequences that a writer can write, many examples side by side. Knows ids, no words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from unrolled.engine import State
from unrolled.errors import ConfigError

_NEVER = float("-inf")


class Remembered(Protocol):
    """What a writer writes about: B examples, of which rows can be picked."""

    def pick(self: Self, rows: Tensor) -> Self:
        """Some of the examples, in that order."""
        ...


Self = TypeVar("Self", bound=Remembered)
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

    A sequence has at most `most` `[B]` symbols, then it has to end; as many are compared as there are, if the beam is
    as wide as that. `banned`: symbols that are never written. The mode of the model is the caller's.
    """
    return _Search(writer, memory, most, beam, banned).run()


class _Search(Generic[Kept]):
    """What changes from step to step: R = B x width rows, those of an example side by side."""

    def __init__(self, writer: Writes[Kept], memory: Kept, most: Tensor, beam: Beam, banned: tuple[int, ...]) -> None:
        self.writer, self.beam, self.most, self.banned = writer, beam, most, banned
        self.examples, self.width = len(most), beam.width
        first = torch.arange(self.examples, device=most.device).repeat_interleave(self.width)
        self.memory = memory.pick(first)
        self.state = writer.begin(self.memory)
        self.ids = torch.full((0, len(first)), writer.boundary, dtype=torch.long, device=most.device)
        self.looked: list[Tensor] = []
        # one row of each example is alive at first, else all would write the same
        self.nats = torch.full((self.examples, self.width), _NEVER, device=most.device, dtype=torch.float64)
        self.nats[:, 0] = 0.0
        self.found: list[list[Written]] = [[] for _ in range(self.examples)]

    def run(self) -> list[list[Written]]:
        """Step until no example can find anything better."""
        while not self._is_over():
            last = self.ids[-1] if len(self.ids) else torch.full_like(self.memory_rows, self.writer.boundary)
            logits, self.state, places = self.writer.step(last, self.memory, self.state)
            if places is not None:
                self.looked.append(places)
            nats = logits.double().log_softmax(dim=1).view(self.examples, self.width, -1)
            nats[:, :, list(self.banned)] = _NEVER
            nats += self.nats[..., None]
            self._end(nats[:, :, self.writer.boundary])
            self._go_on(nats)
        return self.found

    @property
    def memory_rows(self) -> Tensor:
        """The number of each row, `[R]`."""
        return torch.arange(self.examples * self.width, device=self.most.device)

    def _end(self, nats: Tensor) -> None:
        """Every sequence could end here: those that are among the best of their example are kept."""
        symbols = len(self.ids) + 1
        for example, of_example in enumerate(nats.tolist()):
            for place, one in enumerate(of_example):
                if one > _NEVER:
                    self._keep(example, place, one, self.beam.score(one, symbols))

    def _keep(self, example: int, place: int, nats: float, score: float) -> None:
        kept = self.found[example]
        if len(kept) == self.width and score <= kept[-1].score:
            return
        row = example * self.width + place
        places = torch.stack([one[row] for one in self.looked]) if self.looked else None
        kept.append(Written(tuple(self.ids[:, row].tolist()), nats, score, places))
        kept.sort(key=lambda one: -one.score)
        del kept[self.width :]

    def _go_on(self, nats: Tensor) -> None:
        """Each example keeps its best unfinished sequences, each with one symbol more."""
        nats[:, :, self.writer.boundary] = _NEVER
        nats[len(self.ids) >= self.most] = _NEVER  # (these had to end)
        symbols = nats.shape[2]
        flat = nats.flatten(1)
        best, chosen = flat.topk(min(self.width, flat.shape[1]), dim=1)
        if best.shape[1] < self.width:  # fewer symbols than rows
            missing = self.width - best.shape[1]
            best = torch.nn.functional.pad(best, (0, missing), value=_NEVER)
            chosen = torch.nn.functional.pad(chosen, (0, missing))
        self.nats = best
        starts = torch.arange(self.examples, device=self.most.device)[:, None] * self.width
        rows = (starts + chosen // symbols).flatten()
        self.ids = torch.cat([self.ids[:, rows], (chosen % symbols).flatten()[None]])
        self.state = {name: value[:, rows] for name, value in self.state.items()}
        self.looked = [one[rows] for one in self.looked]

    def _is_over(self) -> bool:
        """Whether nothing that is unfinished could still be among the best."""
        return not any(self._can_improve(example) for example in range(self.examples))

    def _can_improve(self, example: int) -> bool:
        nats = float(self.nats[example, 0])
        if nats == _NEVER:
            return False
        kept = self.found[example]
        if len(kept) < self.width:
            return True
        # a log-probability only falls, and is divided by most where the sequence is longest
        return self.beam.score(nats, int(self.most[example]) + 1) > kept[-1].score
