"""A child process that reads torch's files, so that nobody else unpickles. Knows torch and limits, not Unrolled.

It is run as a script: a torch file is its input, a safetensors file its output, its argument a pattern of the names
that are wanted. All names go into the metadata, under `names`. Where it fails, the last line of its errors says why.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

_SECONDS = 60  # of a processor
_ROOM = 2**30  # bytes of memory besides what the file needs
_HEADER = 2**20  # bytes of the output besides what the file has
_NESTED = 8  # mappings within mappings
_SENTENCE = re.compile(r"(?<=[a-z`])\. (?=[A-Z])")
_REASON = re.compile(r"WeightsUnpickler error:\s*(.+?)(?: by default|\n|$)")


def flattened(nested: Mapping[Any, Any], depth: int = _NESTED) -> dict[str, Any]:
    """Mappings within mappings as one, their keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if not isinstance(value, Mapping):
            flat[str(key)] = value
        elif depth > 0:
            flat |= {f"{key}.{name}": one for name, one in flattened(value, depth - 1).items()}
    return flat


def confine(size: int) -> None:
    """From here on no file can be opened and no process started; memory, time and output are bounded.

    `size`: of the file that is to be read.
    """
    torch.set_num_threads(1)  # more would be processes
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 3,  # input, output and errors are open, so any other would be one too many
        resource.RLIMIT_CPU: _SECONDS,
        resource.RLIMIT_FSIZE: 2 * size + _HEADER,  # twice: shared weights are written apart
    }
    if sys.platform == "linux":  # elsewhere a process cannot tell how much it has
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits = {resource.RLIMIT_AS: pages * resource.getpagesize() + 8 * size + _ROOM, **limits}
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        lowest = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lowest, lowest))


def _read_one_and_write_one() -> None:
    """What is imported at first use is imported before no file can be opened."""
    file = io.BytesIO()
    torch.save({"name": torch.zeros(1)}, file)
    file.seek(0)
    safetensors.torch.save(torch.load(file, map_location="cpu", weights_only=True))


def _converted(loaded: object, pattern: str) -> bytes:
    if not isinstance(loaded, Mapping):
        raise TypeError(f"it holds a {type(loaded).__name__}, no names with tensors")
    flat = {name: value for name, value in flattened(loaded).items() if isinstance(value, torch.Tensor)}
    wanted = {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in flat.items()
        if re.match(pattern, name)
    }
    return safetensors.torch.save(wanted, metadata={"names": json.dumps(list(flat))})


def _main() -> None:
    _read_one_and_write_one()
    confine(os.fstat(0).st_size)
    with os.fdopen(0, "rb", closefd=False) as file:  # closed, it would make room for another
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    with os.fdopen(1, "wb", closefd=False) as file:
        file.write(_converted(loaded, sys.argv[1]))


def _told(error: BaseException) -> str:
    """A stranger's error in a sentence: the next may advise to run what the file holds."""
    text = str(error)
    found = _REASON.search(text)
    first = _SENTENCE.split((text.splitlines() or [""])[0])[0]
    return found[1] if found else f"{type(error).__name__}: {first}"


if __name__ == "__main__":
    try:
        _main()
    except BaseException as error:
        sys.stderr.write(f"\n{_told(error)}\n")
        sys.stderr.flush()
        os._exit(1)  # nothing that was loaded has a last word
