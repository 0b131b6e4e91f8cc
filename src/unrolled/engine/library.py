"""The engine's library: finding it, and the structures of native/unrolled.h. Knows ctypes, no graphs.

A library that was built from other sources than those beside the package (an editable installation after an edit, or
after a build that failed) is as good as none: `auto` runs the reference and says why, and nothing is measured or tested
on code that nobody reads.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path

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
        ("type", c_int32), ("level", c_int32), ("registers", c_int32), ("widest", c_int32),
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


def library() -> ctypes.CDLL | None:
    """The engine's library; None where there is none that may be used."""
    return _found()[0]


def why_missing() -> str:
    """Why there is no library; empty if there is one."""
    return _found()[1]


@cache
def _found() -> tuple[ctypes.CDLL | None, str]:
    path = _path()
    if path is None:
        return None, (
            "the native engine was not built when Unrolled was installed: there was no C++ compiler, or it could not"
            " compile native/"
        )
    try:
        found = ctypes.CDLL(str(path))
        if _is_stale(found):  # an older library would read our structures wrongly: it is never called
            return None, (
                "the native engine's library was built from other sources than those in native/: build it again,"
                " 'pip install --no-deps --editable .'"
            )
        _declare(found)
    except (OSError, AttributeError) as error:
        return None, f"the native engine's library cannot be loaded: {error}"
    return found, ""


def _is_stale(found: ctypes.CDLL) -> bool:
    found.unrolled_sources.restype = c_char_p
    found.unrolled_sources.argtypes = []
    return _hash_of_sources() not in ("", found.unrolled_sources().decode())


def _path() -> Path | None:
    """Where the library lies: beside this file, or, in an editable installation, where the package's path leads."""
    folders = [Path(__file__).parent, *map(Path, import_module("unrolled.engine").__path__)]
    return next((folder / NAME for folder in folders if (folder / NAME).is_file()), None)


def _hash_of_sources() -> str:
    """What `unrolled_sources` must give where the package lies beside its C++ sources; empty where it does not."""
    root = Path(__file__).parents[3]
    if not (root / "src" / "unrolled" / "engine" / "library.py").is_file() or not (root / "native").is_dir():
        return ""
    hashes = "".join(sha256(one.read_bytes()).hexdigest() for one in sorted((root / "native").glob("*")))
    return sha256(hashes.encode()).hexdigest()


def _declare(found: ctypes.CDLL) -> None:
    """The types of the functions' arguments and results."""
    found.unrolled_packed_size.restype = c_int64
    found.unrolled_packed_size.argtypes = [POINTER(CMatrix), c_int32, c_int32]
    found.unrolled_pack.restype = c_int32
    found.unrolled_pack.argtypes = [POINTER(CMatrix), c_int32, c_int32, c_int32, c_void_p, c_void_p, c_int32]
    found.unrolled_run.restype = c_int32
    found.unrolled_run.argtypes = [POINTER(CProgram), c_void_p, c_void_p, c_int64, c_int64, c_int32,
                                   c_int32, c_int32]  # fmt: skip
    found.unrolled_draw.restype = c_int32
    found.unrolled_draw.argtypes = [POINTER(CNoise), c_int32, c_void_p, c_int64, c_int64, c_int64, c_int32]
    found.unrolled_levels.restype = c_int32
    found.unrolled_levels.argtypes = []
    found.unrolled_level_name.restype = c_char_p
    found.unrolled_level_name.argtypes = [c_int32]
    found.unrolled_has_level.restype = c_int32
    found.unrolled_has_level.argtypes = [c_int32]
