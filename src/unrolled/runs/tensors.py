"""Tensors on disk, in safetensors: written from a table, and read back only if they are just what was expected.

Knows names, types and shapes, not what they are for. The library reads the data; what a file claims of itself is
held against the expectation before.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from unrolled.errors import RunError
from unrolled.runs.manifest import parsed_json

_TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64",
}  # fmt: skip
_LENGTH = 8  # bytes in front of the header: how long it is
_ENTRY = 200  # bytes that an entry of the header can have besides its name
_HEADER = 1024  # bytes that it can have besides its entries


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """A file of these tensors."""
    return safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})


def largest(wanted: Mapping[str, Tensor]) -> int:
    """How many bytes a file of such tensors has at most."""
    header = _HEADER + sum(len(json.dumps(name)) + _ENTRY for name in wanted)
    return _LENGTH + header + sum(one.numel() * one.element_size() for one in wanted.values())


def from_bytes(content: bytes, wanted: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors in a file, if they have the names, types and shapes of `wanted` and are finite.

    Raises:
        RunError: anything else.
    """
    _check_header(content, wanted, path)
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    for name, value in tensors.items():
        if not bool(value.isfinite().all()):
            raise RunError(f"{path} holds numbers that are not finite: {name}")
    return tensors


def _check_header(content: bytes, wanted: Mapping[str, Tensor], path: Path) -> None:
    """What the file says of its tensors is what is wanted, and they fill it."""
    if len(content) < _LENGTH:
        raise RunError(f"{path} is damaged: it ends within its first bytes")
    (length,) = struct.unpack("<Q", content[:_LENGTH])
    if length > len(content) - _LENGTH or length > largest(wanted):
        raise RunError(f"{path} is damaged: a header of {length:,} bytes does not fit in")
    entries = parsed_json(content[_LENGTH : _LENGTH + length], path)
    for name in sorted(wanted.keys() | entries.keys()):
        entry = entries.get(name)
        if name not in wanted or not isinstance(entry, dict) or _claim(entry) != _claimed(wanted[name]):
            want = f"{_TYPES[wanted[name].dtype]} {list(wanted[name].shape)}" if name in wanted else "nothing"
            got = "nothing" if entry is None else f"{entry}"[:100]
            raise RunError(f"{path} does not fit the run: {name[:100]} is {got}, wanted {want}")
    _check_places([entry.get("data_offsets") for entry in entries.values()], len(content) - _LENGTH - length, path)


def _claim(entry: dict[str, object]) -> tuple[object, ...]:
    return (len(entry), entry.get("dtype"), entry.get("shape"), _size(entry.get("data_offsets")))


def _claimed(tensor: Tensor) -> tuple[object, ...]:
    return (3, _TYPES[tensor.dtype], list(tensor.shape), tensor.numel() * tensor.element_size())


def _size(place: object) -> int | None:
    if isinstance(place, list) and len(place) == 2 and all(type(one) is int for one in place):
        return int(place[1] - place[0])
    return None


def _check_places(places: list[list[int]], size: int, path: Path) -> None:
    """The tensors lie one behind the other, from the first byte to the last."""
    end = 0
    for start, stop in sorted(places):
        if start != end:
            raise RunError(f"{path} is damaged: its tensors overlap or leave gaps")
        end = stop
    if end != size:
        raise RunError(f"{path} is damaged: its tensors take {end:,} bytes, the file has {size:,} for them")
