"""A text larger than anyone wants in memory: how fast it is encoded, and how much memory training on it takes.

    python -m benchmarks.large_text [--gigabytes 2] [--folder /tmp]

The text is made up: lines of words drawn from a fixed list, with some characters beyond ASCII. Memory is what the
process has of its own ("anonymous" in /proc/self/smaps_rollup, without files that the system keeps in memory for its
own good), sampled every 50 ms; its growth is counted from before the text is touched, when everything is loaded and a
small training has been made. At last the stored text is cut while training reads it.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unrolled import TextConfig, UnrolledError
from unrolled.data import encode, found
from unrolled.runs import train
from unrolled.training import Stepped

SIZES = {"cell": "gru", "hidden_size": 64, "batch_size": 32, "seq_length": 64, "samples": 0, "val_frac": 0.0005}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=None, help="where there is room for twice as much")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        _measure(Path(folder), int(arguments.gigabytes * 1e9))


def _measure(folder: Path, size: int) -> None:
    os.environ["UNROLLED_CACHE"] = str(folder / "cache")
    small, large = folder / "small.txt", folder / "large.txt"
    _write(small, 300_000)
    _write(large, size)
    train(TextConfig(**SIZES, data=[str(small)], steps=3), folder / "warm")

    with _memory() as grown:
        started = time.monotonic()
        with found([str(large)]) as places:
            encoded = encode(places, "characters", 0, "concatenated")
        seconds = time.monotonic() - started
    print(f"encoded {size / 1e9:g} GB in {seconds:.1f} s: {size / 1e6 / seconds:.0f} MB/s, {grown[0]:.0f} MB of memory")
    print(f"{sum(encoded.about.parts):,} characters, {len(encoded.vocabulary)} different")

    with _memory() as grown:
        train(TextConfig(**SIZES, data=[str(large)], steps=50), folder / "run")
    print(f"trained 50 steps: {grown[0]:.0f} MB of memory")

    def cut(event: object) -> None:
        if isinstance(event, Stepped) and event.step == 5:
            os.truncate(folder / "shrunk" / "text.bin", 1000)

    try:
        train(TextConfig(**SIZES, data=[str(large)], steps=50), folder / "shrunk", listen=cut)
    except UnrolledError as error:
        print(f"cut while it was read: {error}")
    else:
        sys.exit("cut while it was read: nobody noticed")


def _write(path: Path, size: int) -> None:
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 9))) for _ in range(5000)]
    words += ["caf\u00e9", "na\u00efve", "\u4e16\u754c", "\U0001f600"]
    block = "\n".join(" ".join(rng.choices(words, k=12)) for _ in range(12_000)).encode() + b"\n"
    with path.open("wb") as file:
        left = size
        while left > 0:
            file.write(block)
            left -= len(block)


@contextmanager
def _memory() -> Iterator[list[float]]:
    """The growth of the process's own memory within the block, in megabytes: its peak."""
    before, peak, is_over = _anonymous(), [0.0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.05):
            peak[0] = max(peak[0], _anonymous() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        is_over.set()
        watcher.join()


def _anonymous() -> float:
    told = Path("/proc/self/smaps_rollup").read_text()
    found_size = re.search(r"^Anonymous:\s+(\d+) kB", told, re.MULTILINE)
    assert found_size is not None
    return int(found_size[1]) / 1000


if __name__ == "__main__":
    main()
