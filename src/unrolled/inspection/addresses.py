"""Addresses of values within a model: `rnn.layer0.f`, `layer1.reverse.c[42]`. Knows text and names, no tensors.

    PATH.layerN[.reverse].NAME[UNITS]

PATH leads to the recurrent module, and may be left out where there is one; layers and units count from 0; NAME is the
cell's own. UNITS is a number, a range `3:7`, or several `1,5,8`; without it, all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from unrolled.errors import AddressError, did_you_mean

_FORM = re.compile(r"^(?P<value>[^\[\]]+)(\[(?P<units>[^\[\]]*)\])?$")
_UNITS = re.compile(r"^\d{1,9}$|^\d{0,9}:\d{0,9}$")


@dataclass(frozen=True)
class Place:
    """A recurrent layer in one direction: the path of its module, its number, and which direction."""

    path: str
    layer: int
    is_reverse: bool = False

    def __str__(self) -> str:
        where = [self.path] if self.path else []
        return ".".join([*where, f"layer{self.layer}", *(["reverse"] if self.is_reverse else [])])


@dataclass(frozen=True)
class Found:
    """A named value of a layer, and which of its units an address means; None: all of them."""

    place: Place
    name: str
    units: tuple[int | slice, ...] | None = None

    @property
    def address(self) -> str:
        """Of the whole value."""
        return f"{self.place}.{self.name}"

    def numbers(self, width: int) -> list[int]:
        """The units that are meant, of a value that is so wide.

        Raises:
            AddressError: there is no such unit.
        """
        if self.units is None:
            return list(range(width))
        chosen: list[int] = []
        for one in self.units:
            chosen += range(width)[one] if isinstance(one, slice) else [one]
        if not chosen or max(chosen) >= width:
            raise AddressError(
                f"{self.address} has {width} units, 0 to {width - 1}: there is none of {self._written()}"
            )
        return chosen

    def _written(self) -> str:
        return ", ".join(str(one) if isinstance(one, int) else f"{one.start}:{one.stop}" for one in self.units or ())


def find(address: str, known: Mapping[Place, Sequence[str]]) -> list[Found]:
    """What an address means in a model with these values; `*` and `?` stand for any letters.

    Raises:
        AddressError: it is no address, or there is no such value.
    """
    match = _FORM.match(address.strip()) if isinstance(address, str) else None
    if match is None:
        raise AddressError(f"{address!r} is no address: write layer0.f, or layer0.f[42]")
    units = None if match["units"] is None else _units(address, match["units"])
    every = [Found(place, name, units) for place, names in known.items() for name in names]
    wanted = match["value"]
    paths = {place.path for place in known}
    found = [one for one in every if fnmatchcase(one.address, wanted)]
    if not found and len(paths) == 1:
        (path,) = paths
        short = [(one, one.address.removeprefix(f"{path}.") if path else one.address) for one in every]
        found = [one for one, text in short if fnmatchcase(text, wanted)]
    if not found:
        raise AddressError(f"there is no value {wanted!r}.{did_you_mean(wanted, _offers(every, paths))}{_told(known)}")
    return found


def find_path(address: str) -> str:
    """The path of the module in an address; empty where there is none."""
    return re.split(r"(?:^|\.)layer\d+\.", address, maxsplit=1)[0]


def _offers(every: Iterable[Found], paths: set[str]) -> list[str]:
    """The addresses that somebody may have meant."""
    full = [one.address for one in every]
    if len(paths) > 1:
        return full
    (path,) = paths or {""}
    return full + [text.removeprefix(f"{path}.") for text in full if path]


def _units(address: str, text: str) -> tuple[int | slice, ...]:
    found: list[int | slice] = []
    for part in text.replace(" ", "").split(","):
        if not _UNITS.match(part):
            raise AddressError(f"{address!r}: {text!r} names no units: write [42], [3:7] or [1,5,8]")
        start, colon, stop = part.partition(":")
        found.append(slice(int(start) if start else None, int(stop) if stop else None) if colon else int(start))
    return tuple(found)


def _told(known: Mapping[Place, Sequence[str]]) -> str:
    """What there is, in a few words."""
    if not known:
        return " The model has no recurrent layer that can be looked into: see unrolled.open"
    place, names = next(iter(known.items()))
    more = f", and so in {len(known) - 1} more" if len(known) > 1 else ""
    return f" {place} has {', '.join(names)}{more}"
