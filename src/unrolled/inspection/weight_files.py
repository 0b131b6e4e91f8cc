"""Weights in files: safetensors, NumPy's npz, and torch's by way of a child process. Knows formats, no layers."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from torch import Tensor

from unrolled.errors import CheckpointError, described
from unrolled.inspection import unpickling

_PATIENCE = 300  # seconds that the child has
_LARGEST_RATIO = 8  # of a compressed file; above it, and above the next, it is no file of weights
_HARMLESS = 2**28  # bytes
_TOLD = 300  # letters of a stranger's error
_KERAS = ("h5", "hdf5", "keras")


@dataclass(frozen=True)
class Weights:
    """What a checkpoint holds: the names of all its tensors, and copies of those that were wanted.

    source: what it is called in errors.
    """

    source: str
    names: list[str]
    tensors: dict[str, Tensor]


def from_mapping(given: Mapping[str, Any], pattern: str) -> Weights:
    """The tensors and arrays of a mapping, or of mappings within it, whose names match a pattern.

    Raises:
        CheckpointError: an array that torch cannot hold.
    """
    flat = {
        name: one
        for name, one in unpickling.flattened(given).items()
        if isinstance(one, Tensor | np.ndarray | np.generic)
    }
    wanted = {name: one for name, one in flat.items() if re.match(pattern, name)}
    try:
        tensors = {name: one.detach().clone() if isinstance(one, Tensor) else _of(one) for name, one in wanted.items()}
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the mapping holds an array that torch cannot hold: {short(str(error))}") from error
    return Weights("the mapping", list(flat), tensors)


def from_file(path: Path, pattern: str) -> Weights:
    """The tensors in a file whose names match a pattern.

    Raises:
        CheckpointError: it cannot be read, is of another kind, damaged, or does more than hold weights.
    """
    reader = _READERS.get(_kind(path))
    _check_file(path)
    if reader is None:
        known = ", ".join(f".{suffix}" for suffix in _READERS)
        keras = "; for Keras's: np.savez(path, **{one.path: one.numpy() for one in model.weights})"
        more = keras if _kind(path) in _KERAS else ""
        raise CheckpointError(f"{path} is of no kind that can be read: give one of {known}{more}")
    try:
        names, tensors = reader(path, pattern)
    except CheckpointError:
        raise
    except Exception as error:  # what is damaged makes the libraries raise anything
        raise CheckpointError(f"{path} is damaged, or no {path.suffix} file: {short(described(error))}") from error
    return Weights(str(path), names, tensors)


def _kind(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if stat.S_ISDIR(found.st_mode):
        raise CheckpointError(f"{path} is a folder: give a file of weights; unrolled.load reads a run's folder")
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(f"{path} is not a regular file: give a file of weights")
    if found.st_size == 0:
        raise CheckpointError(f"{path} is empty")


def _from_safetensors(path: Path, pattern: str) -> tuple[list[str], dict[str, Tensor]]:
    with safetensors.safe_open(path, framework="pt") as file:
        names = list(file.keys())
        tensors = {name: file.get_tensor(name).clone() for name in names if re.match(pattern, name)}
    return names, tensors


def _from_npz(path: Path, pattern: str) -> tuple[list[str], dict[str, Tensor]]:
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:  # (numpy leaves a damaged one open)
        wanted = [name for name in file.files if re.match(pattern, name)]
        size = sum(one.file_size for one in file.zip.infolist() if re.match(pattern, one.filename.removesuffix(".npy")))
        if size > max(_HARMLESS, _LARGEST_RATIO * path.stat().st_size):
            raise CheckpointError(f"{path} says that it holds {size:,} bytes of weights, far more than it has itself")
        return list(file.files), {name: _of(file[name]) for name in wanted}


def _of(array: Any) -> Tensor:
    """A copy of an array; torch has no numbers of another byte order."""
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def _from_torch(path: Path, pattern: str) -> tuple[list[str], dict[str, Tensor]]:
    """What the child makes of it: a pickle is a program, and none runs here."""
    with tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
        made, told = Path(folder, "made.safetensors"), Path(folder, "told")
        command = [sys.executable, "-I", "-B", "-W", "ignore", unpickling.__file__, pattern]
        with path.open("rb") as source, made.open("wb") as output, told.open("wb") as errors:
            try:
                streams: dict[str, Any] = {"stdin": source, "stdout": output, "stderr": errors}
                ran = subprocess.run(command, **streams, env={}, cwd=folder, timeout=_PATIENCE, check=False)  # noqa: S603
            except subprocess.TimeoutExpired as error:
                raise CheckpointError(f"{path} was not read within {_PATIENCE} seconds, so it was given up") from error
        if ran.returncode != 0:
            raise CheckpointError(
                f"{path} cannot be read as weights alone: {_reason(ran.returncode, told)}. Save them with"
                " torch.save(model.state_dict(), path), or as safetensors"
            )
        _, tensors = _from_safetensors(made, pattern)
        with safetensors.safe_open(made, framework="pt") as file:
            return json.loads(file.metadata()["names"]), tensors


def _reason(code: int, told: Path) -> str:
    """Why the child failed."""
    if code < 0:
        return f"its reader was stopped ({signal.Signals(-code).name}: out of time or memory)"
    lines = told.read_bytes()[-4096:].decode(errors="replace").split("\n")
    return short(next((line for line in reversed(lines) if line.strip()), f"its reader ended with {code}"))


def short(text: str) -> str:
    """A stranger's words, of bounded length, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_TOLD]).strip().rstrip(".")


_READERS: dict[str, Callable[[Path, str], tuple[list[str], dict[str, Tensor]]]] = {
    "safetensors": _from_safetensors, "npz": _from_npz,
    "pt": _from_torch, "pth": _from_torch, "bin": _from_torch, "ckpt": _from_torch,
}  # fmt: skip
