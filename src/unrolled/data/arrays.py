"""Arrays of numbers that a user gives in an .npz: read, and checked. Knows shapes, no meaning."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np

from unrolled.data.ragged import Array
from unrolled.data.sources import Source
from unrolled.errors import DataError

_MOST = 1 << 31  # bytes of arrays in one file
_BROKEN = (
    OSError, ValueError, TypeError, EOFError, MemoryError, RuntimeError, SyntaxError, zlib.error, tokenize.TokenError,
)  # fmt: skip


def arrays_of(source: Source, wanted: Sequence[str], perhaps: Sequence[str]) -> dict[str, Array]:
    """The arrays of these names in an .npz.

    Raises:
        DataError: it is none, lacks one that is wanted, or is too large.
    """
    try:
        with zipfile.ZipFile(source.path) as packed:
            _check_size(source, packed)
        with np.load(source.path, allow_pickle=False) as archive:
            names = set(archive.files)
            if not names >= set(wanted):
                raise DataError(f"{source.name} holds {sorted(names)}: wanted {', '.join(wanted)}")
            arrays = {name: archive[name] for name in (*wanted, *perhaps) if name in names}
    except DataError:
        raise
    except (*_BROKEN, zipfile.BadZipFile) as error:
        raise DataError(
            f"{source.name} is no .npz of arrays, or it is damaged ({type(error).__name__}): write it with numpy.savez,"
            " numbers and texts only"
        ) from error
    x = arrays["x"]
    if not x.size:
        raise DataError(f"{source.name}: x is {x.shape}: there is nothing in it")
    if x.dtype.kind not in "biuf" or x.ndim < 2:
        raise DataError(f"{source.name}: x is {x.dtype} {x.shape}: wanted real numbers, [N, T] or with more dimensions")
    try:
        return {name: np.char.decode(one, "utf-8") if one.dtype.kind == "S" else one for name, one in arrays.items()}
    except UnicodeDecodeError as error:
        raise DataError(f"{source.name}: a text in it is no UTF-8 ({error.reason}): write texts, not bytes") from error


def _check_size(source: Source, packed: zipfile.ZipFile) -> None:
    """No array claims more than there is, and all together are not too many."""
    size = sum(one.file_size for one in packed.infolist())
    for one in packed.infolist():
        with packed.open(one) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        if dtype.hasobject:
            raise DataError(
                f"{source.name}: {one.filename} holds Python objects: write numbers or texts, such as y.astype(str)"
            )
        if math.prod(shape) * dtype.itemsize > one.file_size:
            raise DataError(f"{source.name}: {one.filename} claims to be {shape}, and is not that long: it is damaged")
    if size > _MOST:
        raise DataError(f"{source.name} holds {size:,} bytes of arrays: at most {_MOST:,} are read")


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


def single(values: Array, where: str) -> Array:
    """Numbers as float32; bytes stay bytes.

    Raises:
        DataError: one is none, or too large; says which.
    """
    if values.dtype == np.uint8:
        return values
    with np.errstate(over="ignore"):
        made = finite(values, where).astype(np.float32)
    if not np.isfinite(made).all():
        raise DataError(f"{where}: it has numbers up to {np.abs(values).max():.1e}: scale them, at most 3.4e38 is kept")
    return made


def names_of(labels: Array, source: Source) -> Array:
    """Labels as texts.

    Raises:
        DataError: one is missing (NaN, an empty text), or can be no name.
    """
    for place, one in np.ndenumerate(labels):
        name = str(one)
        if one != one or not name.strip() or not name.isprintable():
            raise DataError(f"{source.name}, example {place[0]}: its label is {name!r}: give each a name, or a number")
    return labels.astype(str)
