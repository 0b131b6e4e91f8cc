"""Memory that is used again: fresh pages cost the system more time than a small layer computes. Knows bytes only."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import prod

import torch
from torch import Tensor

_KEPT = 1 << 29  # bytes that may lie idle
_LINE = 64  # bytes
_WASTE = 1.5  # a block may be so much larger than what is asked for


class Pool:
    """Blocks that came back, the latest last.

    There is no lock: a block comes back whenever Python drops it, in the middle of `take`, in a signal handler, in a
    child that was forked while another thread was here. Each block is put and taken by one operation of a dict.
    """

    def __init__(self) -> None:
        self._free: dict[int, Tensor] = {}

    def take(self, size: int) -> tuple[int, Block]:
        """The address of so many bytes, whatever is in them, and the block that has to be kept while they are used."""
        raw = self._block(size)
        return raw.data_ptr() + _to_line(raw), Block(self, raw)

    def hand_over(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Memory of that shape that does not come back: it belongs to whoever has the tensor."""
        size = prod(shape) * dtype.itemsize
        raw = self._block(size)
        return raw[_to_line(raw) :][:size].view(dtype).view(*shape)

    def give(self, raw: Tensor) -> None:
        """Nobody uses this any more."""
        self._free[id(raw)] = raw
        free = list(self._free.values())
        idle = sum(map(Tensor.numel, free))
        for oldest in free:
            if idle <= _KEPT:
                return
            idle -= oldest.numel()
            self._free.pop(id(oldest), None)

    def _block(self, size: int) -> Tensor:
        """A block with room for so many bytes from the begin of a line on."""
        wanted = max(_LINE, size)
        raw = self._found(wanted)
        if raw is None:
            with torch.inference_mode(False):  # it may be used again outside
                return torch.empty(wanted + _LINE, dtype=torch.uint8, device="cpu")
        if torch.are_deterministic_algorithms_enabled() and torch.utils.deterministic.fill_uninitialized_memory:  # type: ignore[attr-defined]
            raw.fill_(0xFF)  # NaN, as torch.empty does then
        return raw

    def _found(self, wanted: int) -> Tensor | None:
        free = list(self._free.values())
        fitting = [one for one in free if wanted + _LINE <= one.numel() <= _WASTE * wanted + 4096]
        for best in sorted(fitting, key=Tensor.numel):
            if self._free.pop(id(best), None) is not None:  # else another thread was faster
                return best
        return None


def _to_line(raw: Tensor) -> int:
    """How many bytes behind its begin a line begins."""
    return -raw.data_ptr() % _LINE


class Block:
    """A piece of a pool; it goes back when nobody refers to this any more."""

    __slots__ = ("_pool", "_raw")

    def __init__(self, pool: Pool, raw: Tensor) -> None:
        self._pool = pool
        self._raw = raw

    def __del__(self) -> None:
        with suppress(AttributeError):  # (an interrupt may come before it has any)
            self._pool.give(self._raw)
