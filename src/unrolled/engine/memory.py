"""Memory that is used again: fresh pages cost the system more time than a small layer computes. Knows bytes only."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

_KEPT = 1 << 29  # bytes that may lie idle
_LINE = 64  # bytes
_SIZES = 64  # of blocks that are told apart
_SMALL = 1 << 17  # bytes: less is not worth a block, the system's own memory is as warm
_WASTE = 1.5  # a block may be so much larger than what is asked for


Held: TypeAlias = "Block | Tensor"  # what keeps memory for whoever uses it


class Pool:
    """Blocks that came back, by their size.

    There is no lock: a block comes back whenever Python drops it, in the middle of `take`, in a signal handler, in a
    child that was forked while another thread was here. Each block is put and taken by one operation of a list.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[Tensor]] = {}

    def take(self, size: int) -> tuple[int, Held]:
        """The address of so many bytes, whatever is in them, and what has to be kept while they are used."""
        if size < _SMALL:
            fresh = _aligned(size)
            return fresh.data_ptr(), fresh
        raw = self._block(size)
        return raw.data_ptr(), Block(self, raw)

    def hand_over(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Memory of that shape that does not come back: it belongs to whoever has the tensor."""
        if prod(shape) * dtype.itemsize < _SMALL:
            return torch.empty(shape, dtype=dtype, device="cpu")
        return self._tensor(shape, dtype)[0]

    def lend(self, shape: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Block]:
        """Memory of that shape, and the block that has to be kept while it is used."""
        tensor, raw = self._tensor(shape, dtype)
        return tensor, Block(self, raw)

    def share(self, size: int) -> Tensor:
        """So many bytes, as a tensor; they come back when nobody has it, or a view of it, any more."""
        size = max(_LINE, size)
        address, block = self.take(size)
        memory = (ctypes.c_char * size).from_address(address)
        memory.block = block  # type: ignore[attr-defined]  # (a tensor on a buffer keeps the buffer)
        return torch.frombuffer(memory, dtype=torch.uint8)

    def give(self, raw: Tensor) -> None:
        """Nobody uses this any more."""
        self._free.setdefault(raw.numel(), []).append(raw)
        if sum(size * len(blocks) for size, blocks in list(self._free.items())) > _KEPT or len(self._free) > _SIZES:
            self._shrink()

    def _shrink(self) -> None:
        """Let go of what has been idle for long: of the sizes that came first."""
        idle = sum(size * len(blocks) for size, blocks in list(self._free.items()))
        for size, blocks in list(self._free.items()):
            while idle > _KEPT and self._pop(size) is not None:
                idle -= size
            if not blocks or len(self._free) > _SIZES:
                self._free.pop(size, None)

    def _tensor(self, shape: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        size = prod(shape) * dtype.itemsize
        raw = self._block(size)
        return raw[:size].view(dtype).view(*shape), raw

    def _block(self, size: int) -> Tensor:
        """A block with room for so many bytes, from the begin of a line on."""
        wanted = max(1, -(-size // _LINE)) * _LINE
        raw = self._found(wanted)
        if raw is None:
            with torch.inference_mode(False):  # it may be used again outside
                return _aligned(wanted)
        if torch.are_deterministic_algorithms_enabled() and torch.utils.deterministic.fill_uninitialized_memory:  # type: ignore[attr-defined]
            raw.fill_(0xFF)  # NaN, as torch.empty does then
        return raw

    def _found(self, wanted: int) -> Tensor | None:
        raw = self._pop(wanted)
        if raw is None:
            for size in sorted(size for size in list(self._free) if wanted < size <= _WASTE * wanted + 4096):
                raw = self._pop(size)
                if raw is not None:
                    break
        return raw

    def _pop(self, size: int) -> Tensor | None:
        """The block of that size that came back last."""
        try:
            return self._free[size].pop()
        except (KeyError, IndexError):
            return None


def _aligned(size: int) -> Tensor:
    """So many fresh bytes from the begin of a line on, where torch's own memory begins."""
    raw = torch.empty(size, dtype=torch.uint8, device="cpu")
    if raw.data_ptr() % _LINE == 0:
        return raw
    raw = torch.empty(size + _LINE, dtype=torch.uint8, device="cpu")
    return raw[-raw.data_ptr() % _LINE :][:size]


class Block:
    """A piece of a pool; it goes back when nobody refers to this any more."""

    __slots__ = ("_pool", "_raw")

    def __init__(self, pool: Pool, raw: Tensor) -> None:
        self._pool = pool
        self._raw = raw

    def __del__(self) -> None:
        with suppress(AttributeError):  # (an interrupt may come before it has any)
            self._pool.give(self._raw)
