"""The machine of a benchmark: what it is, what it can do at best, and whether it is quiet. Knows no networks."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from benchmarks.measure import race, with_threads
from unrolled.engine import level, levels, library, wish

SQUARE = (2048, 2048, 2048)  # the product whose rate is the matrix rate
TINY_SQUARE = (64, 64, 64)  # to see that it works
_ROUNDS = 7
_DISTURBING = 0.1  # cores that others use, on average


class Machine:
    """A machine from the start of a benchmark to its end."""

    def __init__(self) -> None:
        self.load_before = _load()
        self._started = time.monotonic()
        self._busy = _busy_seconds() - _own_seconds()

    def facts(self) -> dict[str, str]:
        """What it is, with the versions of what runs on it, and how quiet it was."""
        return {
            "processor": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
            "engine": _engine(),
            "torch's level": torch.backends.cpu.get_cpu_capability(),
            "versions": ", ".join(_versions()),
            "load average (1 minute)": f"{self.load_before:.2f} before, {_load():.2f} after",
            "cores that other processes used": f"{self.disturbance():.2f} on average",
        }

    def disturbance(self) -> float:
        """How many cores other processes used, on average since the start."""
        others = _busy_seconds() - _own_seconds() - self._busy
        return max(0.0, others / max(time.monotonic() - self._started, 1e-9))

    def warnings(self) -> list[str]:
        """Why the figures should not be believed; empty on a quiet machine."""
        if (others := self.disturbance()) > _DISTURBING:
            return [f"**The machine was not quiet**: other processes used {others:.2f} of its cores."]
        return []


def matrix_rates(dtype: torch.dtype = torch.float32, shape: tuple[int, int, int] = SQUARE) -> dict[str, float]:
    """GFLOP/s of an M x K by a K x N matrix of that type, at the best number of threads, by each library in torch.

    "torch.mm", and "oneDNN" for its own product: where torch.mm is the slower of the two, a share of its rate would
    flatter.
    """
    m, k, n = shape
    a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
    ways = {"torch.mm": lambda: torch.mm(a, b)}
    if torch.backends.mkldnn.is_available():
        transposed = b.t().contiguous()
        ways["oneDNN"] = lambda: torch.ops.mkldnn._linear_pointwise(a, transposed, None, "none", [], "")
    times = race([entry for name, run in ways.items() for entry in with_threads(name, run)], _ROUNDS)
    return {name: 2 * m * k * n / time.ms / 1e6 for name, time in times.items()}


def bandwidth(size: int) -> float:
    """GB/s at which memory of that many bytes is read again and again: by torch.sum, at the best number of threads.

    What fits into a cache is read from there, as the weights of a network are that runs step by step.
    """
    values = torch.ones(size // 4)
    return size / race(with_threads("torch.sum", values.sum), _ROUNDS)["torch.sum"].ms / 1e6


def has_engine() -> bool:
    """Whether the native engine is there, and not switched off."""
    return library() is not None and wish() != "reference"


def _engine() -> str:
    if not has_engine():
        return "reference: the native engine is switched off, or was not built"
    return f"native, {level()} (of {', '.join(name for name, has in levels().items() if has)})"


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _versions() -> list[str]:
    found = [f"Python {platform.python_version()}"]
    for name in ("unrolled", "torch", "numpy", "jax", "torchrecurrent"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _load() -> float:
    return os.getloadavg()[0]


def _busy_seconds() -> float:
    """Seconds that all cores together have worked since the machine was started; 0 where nobody tells."""
    try:
        words = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, irq, soft_irq, *_ = map(int, words)
    return (user + nice + system + irq + soft_irq) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Seconds that this process, and those of its children that have ended, have worked."""
    return sum(os.times()[:4])
