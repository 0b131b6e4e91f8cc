"""Drawing noise: random numbers as a function of where they are used. Knows counters and shapes, no graphs.

A number depends on the seed, the step, the row, the unit, and which noise of which layer it is for; on nothing else. So
the whole is its pieces, whatever is cut: steps, rows, threads. The generator is Philox-4x32-10 (Salmon et al. 2011),
written here in torch, for any device, and in native/noise.cpp: the same bits.
"""

from __future__ import annotations

from ctypes import byref
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unrolled.engine.choice import obstacle, wish
from unrolled.engine.library import CNoise, library
from unrolled.errors import ConfigError

_WORD = 0xFFFFFFFF
_ROUNDS = 10
_NATIVE = {torch.float32: 0, torch.float64: 1}


@dataclass(frozen=True)
class Noise:
    """Which random numbers a run uses: the same `Noise`, the same run.

    seed: from 0 to 2**64 - 1. step: the number of the first step of the run, from 0; a run that goes on from another
    one's state gives the number of steps before it. row: the number of the first row, where the rows of a batch are run
    in pieces. Steps and rows count modulo 2**32.

    Raises:
        ConfigError: one of them is no such number.
    """

    seed: int
    step: int = 0
    row: int = 0

    def __post_init__(self) -> None:
        for name, most in {"seed": 2**64 - 1, "step": 2**63, "row": 2**63}.items():
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= most:
                raise ConfigError(f"Noise was given {name}={value!r}: give a whole number from 0 to {most}")

    @classmethod
    def fresh(cls) -> Noise:
        """Noise that nobody knows before: the seed is drawn from torch's default generator."""
        return cls(int(torch.randint(2**63 - 1, ())))

    def at(self, step: int) -> Noise:
        """The same noise, `step` steps later."""
        return replace(self, step=self.step + step)


@dataclass(frozen=True)
class Source:
    """What is drawn: `mean / probability` with that probability, else 0; a value `width` units wide.

    stream: which noise of which layer it is. is_per_step: drawn anew at every step, else once for all.
    """

    width: int
    probability: float
    mean: float
    is_per_step: bool
    stream: int

    def of_layer(self, layer: int) -> Source:
        """The same in the layer with that number."""
        return replace(self, stream=self.stream + (layer << 16))

    @property
    def value(self) -> float:
        """What it is where it is not zero."""
        return self.mean / self.probability

    @property
    def limit(self) -> int:
        """The greatest random word that stands for the value: so many of 2**32, less one."""
        return max(1, round(self.probability * 2**32)) - 1


def draw(source: Source, noise: Noise, steps: int, batch: int, like: Tensor) -> Tensor:
    """The noise of a run: `[T, B, width]`, or `[B, width]` where all steps share it; type and device are `like`'s."""
    if not source.is_per_step:
        steps, noise = 1, replace(noise, step=0)
    by_torch = wish() == "reference" or obstacle(like, ())
    drawn = (_drawn_in_torch if by_torch else _drawn_natively)(source, noise, steps, batch, like)
    return drawn if source.is_per_step else drawn.squeeze(0)


def _drawn_natively(source: Source, noise: Noise, steps: int, batch: int, like: Tensor) -> Tensor:
    found = library()
    assert found is not None, "then there is an obstacle"
    drawn = torch.empty((steps, batch, source.width), dtype=like.dtype, device="cpu")
    wanted = CNoise(
        noise.seed, source.stream & _WORD, noise.step & _WORD, noise.row & _WORD, source.limit, source.value
    )
    kind, threads = _NATIVE[like.dtype], torch.get_num_threads()
    if found.unrolled_draw(byref(wanted), kind, drawn.data_ptr(), steps, batch, source.width, threads):
        raise MemoryError("there is no memory for the engine's threads")
    return drawn


def _drawn_in_torch(source: Source, noise: Noise, steps: int, batch: int, like: Tensor) -> Tensor:
    device = like.device
    shape = (steps, batch, -(-source.width // 4))  # one counter for four units
    counter = (
        torch.arange(shape[2], device=device).expand(shape),
        (torch.arange(batch, device=device) + (noise.row & _WORD) & _WORD).unsqueeze(-1).expand(shape),
        (torch.arange(steps, device=device) + (noise.step & _WORD) & _WORD).view(-1, 1, 1).expand(shape),
        torch.full(shape, source.stream & _WORD, dtype=torch.int64, device=device),
    )
    words = torch.stack(philox(counter, noise.seed), dim=-1).flatten(2)[..., : source.width]
    value = torch.tensor(source.value, dtype=like.dtype, device=device)
    return torch.where(words <= source.limit, value, torch.zeros_like(value))


Words = tuple[Tensor, Tensor, Tensor, Tensor]


def philox(counter: Words, key: int) -> Words:
    """Philox-4x32-10: four random words for a counter of four; each a tensor of int64 from 0 to 2**32 - 1.

    Products of two words wrap around in int64, which leaves all their 64 bits as they are.
    """
    a, b, c, d = counter
    low, high = key & _WORD, key >> 32
    for _ in range(_ROUNDS):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (q >> 32 & _WORD) ^ b ^ low, q & _WORD, (p >> 32 & _WORD) ^ d ^ high, p & _WORD
        low, high = (low + 0x9E3779B9) & _WORD, (high + 0xBB67AE85) & _WORD
    return a, b, c, d
