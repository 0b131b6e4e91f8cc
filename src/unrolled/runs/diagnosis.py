"""The verb "doctor": what this installation is, and whether it computes what it should. Changes nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import torch

from unrolled.data import default_corpus
from unrolled.engine import level, levels, library, why_missing, wish
from unrolled.errors import DataError
from unrolled.layers import LSTM

_TOLERANCE = 1e-5


def doctor() -> dict[str, str]:
    """Facts about this installation, each with its name, the check of the arithmetic last."""
    return {
        "unrolled": version("unrolled"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}",
        "torch threads": str(torch.get_num_threads()),
        "processor level": torch.backends.cpu.get_cpu_capability(),
        "engine": _engine(),
        "default corpus": _corpus(),
        "arithmetic": _arithmetic(),
    }


def _engine() -> str:
    if library() is None:
        return f"reference (torch, step by step): {why_missing()}"
    if wish() == "reference":
        return f"reference (torch, step by step): UNROLLED_ENGINE asks for it; native, {level()}, is there"
    has = ", ".join(name for name, is_there in levels().items() if is_there)
    lacks = ", ".join(name for name, is_there in levels().items() if not is_there)
    asked = {"UNROLLED_ENGINE": "" if wish() == "auto" else wish(), "UNROLLED_LEVEL": os.environ.get("UNROLLED_LEVEL")}
    chosen = "".join(f"; {name}={value}" for name, value in asked.items() if value)
    return f"native, {level()} (this processor has {has}{'; not ' + lacks if lacks else ''}){chosen}"


def _corpus() -> str:
    try:
        place = default_corpus()
    except DataError as error:
        return f"missing: {error}"
    size = sum(source.path.stat().st_size for source in place.sources)
    return f"{place.name}, {len(place.sources)} files, {size:,} bytes"


def _arithmetic() -> str:
    """Our LSTM against torch's, on the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = LSTM(5, 7, num_layers=2)
        theirs = torch.nn.LSTM(5, 7, num_layers=2)
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(11, 3, 5)
        with torch.no_grad():
            difference = float((ours(x)[0] - theirs(x)[0]).abs().max())
    verdict = "right" if difference <= _TOLERANCE else "WRONG"
    return f"{verdict}: LSTM differs from torch.nn's by {difference:.1e}"
