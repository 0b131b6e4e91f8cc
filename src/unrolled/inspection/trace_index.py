"""What a trace on disk says of itself: its values, their types and sizes, as JSON. Knows tensors, no files."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.inspection.addresses import Place

_KIND = {"format": "unrolled trace", "version": 1, "byteorder": sys.byteorder}
TYPES = {str(one).removeprefix("torch."): one for one in (torch.float16, torch.bfloat16, torch.float32, torch.float64)}


class Key(NamedTuple):
    """Which value: that of a name at a place, or its gradient."""

    place: Place
    name: str
    is_gradient: bool = False

    def __str__(self) -> str:
        return f"{self.place}.{self.name}" + ("'s gradient" if self.is_gradient else "")


class Stored(NamedTuple):
    """A value `[T, B, units]`, and the numbers of its units where these are not all."""

    tensor: Tensor
    units: list[int] | None = None


@dataclass(frozen=True)
class Entry:
    """What is said of a value: its type, its sizes, the numbers of its units, and how many steps are whole."""

    type: str
    rows: int
    width: int
    units: list[int] | None
    steps: int = 0

    @classmethod
    def of(cls, value: Stored) -> Entry:
        """Of a value, before any step of it is whole."""
        _, rows, width = value.tensor.shape
        return cls(str(value.tensor.dtype).removeprefix("torch."), rows, width, value.units)

    @property
    def size(self) -> int:
        """Of what is whole, in bytes."""
        return self.steps * self.rows * self.width * TYPES[self.type].itemsize


def written(entries: Mapping[Key, Entry]) -> bytes:
    """The index."""
    values = [{**key._asdict(), "place": vars(key.place), **vars(entry)} for key, entry in entries.items()]
    return json.dumps({**_KIND, "values": values}).encode()


def parsed(content: bytes) -> list[tuple[Key, Entry]]:
    """What an index says.

    Raises:
        ValueError: it is none, of another version, or of a machine with another byte order.
    """
    index = json.loads(content)
    if not isinstance(index, dict) or any(index.get(name) != value for name, value in _KIND.items()):
        raise ValueError(f"it is not of {_KIND}")
    values = index.get("values")
    if not isinstance(values, list):
        raise ValueError("it lists no values")
    return [_parsed(one) for one in values]


def _parsed(given: Any) -> tuple[Key, Entry]:
    """A value of the index."""
    match given:
        case {
            "place": {"path": str(path), "layer": int(layer), "is_reverse": bool(is_reverse)},
            "name": str(name), "is_gradient": bool(is_gradient), "type": str(type_), "rows": int(rows),
            "width": int(width), "steps": int(steps), "units": units,
        } if type_ in TYPES and min(layer, rows, width, steps) >= 0 and _are_units(units, width):  # fmt: skip
            key = Key(Place(path, layer, is_reverse), name, is_gradient)
            return key, Entry(type_, rows, width, units, steps)
    raise ValueError(f"it says {str(given)[:200]}")


def _are_units(units: object, width: int) -> bool:
    return units is None or (
        isinstance(units, list) and len(units) == width and all(type(one) is int and one >= 0 for one in units)
    )
