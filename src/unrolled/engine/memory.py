"""Memory that is used again: fresh pages cost the system more time than a small layer computes. Knows bytes only."""

from __future__ import annotations

from threading import Lock

import torch
from torch import Tensor

_KEPT = 1 << 29  # bytes that may lie idle
_LINE = 64  # bytes
_WASTE = 1.5  # a block may be so much larger than what is asked for


class Pool:
    """Blocks that came back, the latest last."""

    def __init__(self) -> None:
        self._free: list[Tensor] = []
        self._lock = Lock()

    def take(self, size: int) -> tuple[int, Block]:
        """The address of so many bytes, whatever is in them, and the block that has to be kept while they are used."""
        wanted = max(_LINE, size)
        raw = self._found(wanted)
        if raw is None:
            raw = torch.empty(wanted + _LINE, dtype=torch.uint8)
        elif torch.are_deterministic_algorithms_enabled() and torch.utils.deterministic.fill_uninitialized_memory:  # type: ignore[attr-defined]
            raw.fill_(0xFF)  # NaN, as torch.empty does then
        start = raw.data_ptr()
        return start + -start % _LINE, Block(self, raw)

    def give(self, raw: Tensor) -> None:
        """Nobody uses this any more."""
        with self._lock:
            self._free.append(raw)
            while sum(one.numel() for one in self._free) > _KEPT:
                del self._free[0]

    def _found(self, wanted: int) -> Tensor | None:
        with self._lock:
            fitting = [one for one in self._free if wanted + _LINE <= one.numel() <= _WASTE * wanted + 4096]
            if not fitting:
                return None
            best = min(fitting, key=Tensor.numel)
            self._free = [one for one in self._free if one is not best]
            return best


class Block:
    """A piece of a pool; it goes back when nobody refers to this any more."""

    __slots__ = ("_pool", "_raw")

    def __init__(self, pool: Pool, raw: Tensor) -> None:
        self._pool = pool
        self._raw = raw

    def __del__(self) -> None:
        self._pool.give(self._raw)
