"""Arrays of numbers that a user gives in an .npz: read, and checked. Knows shapes, no meaning."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence

import numpy as np

from unrolled.data.ragged import Array
from unrolled.data.sources import Source
from unrolled.errors import DataError

_MOST = 1 << 31  # bytes of arrays in one file


def arrays_of(source: Source, wanted: Sequence[str], perhaps: Sequence[str]) -> dict[str, Array]:
    """The arrays of these names in an .npz.

    Raises:
        DataError: it is none, lacks one that is wanted, or is too large.
    """
    try:
        with zipfile.ZipFile(source.path) as packed:
            size = sum(one.file_size for one in packed.infolist())
        if size > _MOST:
            raise DataError(f"{source.name} holds {size:,} bytes of arrays: at most {_MOST:,} are read")
        with np.load(source.path, allow_pickle=False) as archive:
            names = set(archive.files)
            if not names >= set(wanted):
                raise DataError(f"{source.name} holds {sorted(names)}: wanted {', '.join(wanted)}")
            return {name: archive[name] for name in (*wanted, *perhaps) if name in names}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{source.name} is no .npz of arrays: {error}") from error


def check_lengths(source: Source, lengths: Array | None, count: int, steps: int) -> list[int]:
    """How long each of so many sequences is; None: all have every step.

    Raises:
        DataError: other numbers.
    """
    if lengths is None:
        return [steps] * count
    if lengths.shape != (count,) or not np.issubdtype(lengths.dtype, np.integer):
        raise DataError(f"{source.name}: lengths are {lengths.dtype} {lengths.shape}: wanted {count} whole numbers")
    for row, length in enumerate(lengths.tolist()):
        if not 1 <= length <= steps:
            raise DataError(f"{source.name}, example {row}: its length is {length}, it has {steps} steps")
    return [int(one) for one in lengths]


def finite(values: Array, where: str) -> Array:
    """The values `[T, ...]`, if they are finite numbers.

    Raises:
        DataError: one is not; says which.
    """
    if not np.isfinite(values).all():
        step, *place = (int(one) for one in np.argwhere(~np.isfinite(values))[0])
        value = values[(step, *place)]
        channel = f", channel {place[0]}" if place else ""
        raise DataError(f"{where}: step {step}{channel} is {value}: fill in what is missing, or leave it out")
    return values
