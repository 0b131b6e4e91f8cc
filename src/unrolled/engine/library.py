"""The engine's library: finding it, and the structures of native/unrolled.h. Knows ctypes, no graphs."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from functools import cache
from importlib import import_module
from pathlib import Path

from unrolled.errors import ConfigError

NAME = "libunrolled_engine.so"


class COperand(Structure):
    """UnrolledOperand."""

    _fields_ = [("kind", c_int32), ("index", c_int32), ("column", c_int32)]


class CInstruction(Structure):
    """UnrolledInstruction."""

    _fields_ = [
        ("operation", c_int32), ("width", c_int32), ("result", COperand), ("operands", COperand * 3),
        ("number", c_double),
    ]  # fmt: skip


class CProduct(Structure):
    """UnrolledProduct."""

    _fields_ = [
        ("value", c_int32), ("value_column", c_int32), ("matrix", c_int32), ("destination", c_int32),
        ("destination_column", c_int32), ("init", c_int32), ("init_column", c_int32),
    ]  # fmt: skip


class CMatrix(Structure):
    """UnrolledMatrix."""

    _fields_ = [("rows", c_int32), ("columns", c_int32), ("transposed", c_int32), ("parts", c_int32)]


class CSum(Structure):
    """UnrolledSum."""

    _fields_ = [
        ("gradient", c_int32), ("gradient_column", c_int32), ("rows", c_int32), ("value", c_int32),
        ("value_column", c_int32), ("columns", c_int32), ("destination", c_int32),
    ]  # fmt: skip


class CLookup(Structure):
    """UnrolledLookup."""

    _fields_ = [
        ("ids", c_int32), ("table", c_int32), ("height", c_int32), ("destination", c_int32), ("width", c_int32),
    ]  # fmt: skip


class CChoice(Structure):
    """UnrolledChoice."""

    _fields_ = [
        ("logits", c_int32), ("width", c_int32), ("numbers", c_int32), ("ids", c_int32), ("top_k", c_int32),
        ("temperature", c_double), ("top_p", c_double),
    ]  # fmt: skip


class CStage(Structure):
    """UnrolledStage."""

    _fields_ = [
        ("kind", c_int32), ("phase", c_int32), ("first", c_int32), ("count", c_int32), ("sliced", c_int32),
        ("barrier", c_int32),
    ]  # fmt: skip


class CProgram(Structure):
    """UnrolledProgram."""

    _fields_ = [
        ("type", c_int32), ("registers", c_int32), ("widest", c_int32),
        ("stage_count", c_int32), ("matrix_count", c_int32), ("constant_count", c_int32),
        ("stages", POINTER(CStage)), ("instructions", POINTER(CInstruction)), ("products", POINTER(CProduct)),
        ("sums", POINTER(CSum)), ("lookups", POINTER(CLookup)), ("choices", POINTER(CChoice)),
        ("matrices", POINTER(CMatrix)), ("constants", POINTER(c_double)),
    ]  # fmt: skip


class CNoise(Structure):
    """UnrolledNoise."""

    _fields_ = [
        ("seed", c_uint64), ("stream", c_uint32), ("step", c_uint32), ("row", c_uint32), ("limit", c_uint32),
        ("value", c_double),
    ]  # fmt: skip


def levels() -> dict[str, bool]:
    """The levels of instructions that the library was built for, and whether this processor has them."""
    found = library()
    if found is None:
        return {}
    return {
        found.unrolled_level_name(number).decode(): bool(found.unrolled_has_level(number))
        for number in range(found.unrolled_levels())
    }


def level() -> str:
    """The level in use; empty without a library."""
    found = library()
    return "" if found is None else str(found.unrolled_level_name(found.unrolled_level()).decode())


def use_level(name: str) -> None:
    """Use another level than the highest one. Programs that were packed for another level must not be run any more.

    Raises:
        ConfigError: the library or the processor lacks it.
    """
    names = list(levels())
    found = library()
    if found is None or name not in names or not found.unrolled_use_level(names.index(name)):
        raise ConfigError(f"there is no level {name!r} here: {', '.join(one for one, has in levels().items() if has)}")


def _path() -> Path | None:
    """Where the library lies: beside this file, or, in an editable installation, where the package's path leads."""
    folders = [Path(__file__).parent, *map(Path, import_module("unrolled.engine").__path__)]
    return next((folder / NAME for folder in folders if (folder / NAME).is_file()), None)


@cache
def library() -> ctypes.CDLL | None:
    """The engine's library; None where the package was installed without one."""
    path = _path()
    if path is None:
        return None
    found = ctypes.CDLL(str(path))
    found.unrolled_packed_size.restype = c_int64
    found.unrolled_packed_size.argtypes = [POINTER(CMatrix), c_int32]
    found.unrolled_pack.restype = None
    found.unrolled_pack.argtypes = [POINTER(CMatrix), c_int32, c_void_p, c_void_p, c_int32]
    found.unrolled_run.restype = c_int32
    found.unrolled_run.argtypes = [POINTER(CProgram), c_void_p, c_void_p, c_int64, c_int64, c_int32,
                                   c_int32, c_int32]  # fmt: skip
    found.unrolled_draw.restype = None
    found.unrolled_draw.argtypes = [POINTER(CNoise), c_int32, c_void_p, c_int64, c_int64, c_int64, c_int32]
    for name in ("unrolled_levels", "unrolled_level"):
        getattr(found, name).restype = c_int32
        getattr(found, name).argtypes = []
    found.unrolled_level_name.restype = c_char_p
    for name in ("unrolled_level_name", "unrolled_has_level", "unrolled_use_level"):
        getattr(found, name).argtypes = [c_int32]
    return found
