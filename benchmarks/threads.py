"""How torch's waiting threads behave when another process keeps one core busy.

    python -m benchmarks.threads [--busy]
    GOMP_SPINCOUNT=1000 python -m benchmarks.threads --busy

Prints the median time in milliseconds of a training pass (forward and backward) of a GRU: 64 -> 256, batch 64, 64
steps. torch's library of threads reads its variables when it is loaded, so each setting is a run of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time

import torch

from unrolled import Recurrent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", action="store_true", help="keep one core busy meanwhile")
    busy = multiprocessing.Process(target=_spin, daemon=True) if parser.parse_args().busy else None
    if busy:
        busy.start()
    layer, x = Recurrent("gru", 64, 256), torch.randn(64, 64, 64)
    print(f"{1000 * statistics.median(_seconds(layer, x) for _ in range(12)):.0f} ms")
    if busy:
        busy.terminate()


def _seconds(layer: Recurrent, x: torch.Tensor) -> float:
    started = time.monotonic()
    layer(x)[0].sum().backward()
    return time.monotonic() - started


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
