"""Visual attention on digits in larger images, three seeds each: what `unrolled train --task glimpse` comes to.

    unrolled data get translated-digits     # and translated-digits-test, digit-pairs, digit-pairs-test
    python -m benchmarks.glimpses [--only ram dram] [--seeds 1 2 3] [--minutes 20] [--steps N] [--runs FOLDER]

The variants of one set differ in one option, and are trained for as long, or for as many steps. Accuracy is that of the
weights that were best on what was held out, on the digits of the test: none of them was learned. DRAW's reader draws
no place: for it there is one way to look at an image.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is here, as the command does: docs/decisions/0003

import torch

from unrolled import evaluate, load, train
from unrolled.runs import GlimpseConfig
from unrolled.runs.tasks.glimpse_score import GlimpseScore

_RUNS = 8  # ways in which an image is looked at where locations are drawn


@dataclass(frozen=True)
class Variant:
    """What is learned, and how, and in how many ways an image is then looked at."""

    data: str
    minutes: float
    options: dict[str, Any] = field(default_factory=dict)
    runs: int = _RUNS


_PAIRS: dict[str, Any] = {"network": "dram"}

VARIANTS = {
    "ram": Variant("translated-digits", 20.0),
    "ram-centre": Variant("translated-digits", 20.0, {"looks": "centre"}, runs=1),
    "ram-random": Variant("translated-digits", 20.0, {"looks": "random"}),
    "ram-paper": Variant("translated-digits", 20.0, {"asked": "last", "rewarded": "right"}),
    "draw-reader": Variant("translated-digits", 20.0, {"network": "draw"}, runs=1),
    "dram": Variant("digit-pairs", 30.0, _PAIRS),
    "dram-no-overview": Variant("digit-pairs", 30.0, _PAIRS | {"overview": False}),
    "dram-few": Variant("digit-pairs", 30.0, _PAIRS | {"glimpses": 2}),
    "dram-few-no-overview": Variant("digit-pairs", 30.0, _PAIRS | {"glimpses": 2, "overview": False}),
}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--only", nargs="+", choices=[*VARIANTS], default=[*VARIANTS])
    made.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    made.add_argument("--minutes", type=float, help="in the place of those of each variant")
    made.add_argument("--steps", type=int, help="so many steps, however long they take")
    made.add_argument("--runs", type=Path, help="keep the runs here")
    asked = made.parse_args()
    print(f"{'':<18}{'accuracy':>9}{f'of {_RUNS} ways':>11}{'nats':>8}{'steps':>9}{'ms a step':>11}")
    for name in asked.only:
        print_variant(name, asked.seeds, asked.minutes, asked.steps, asked.runs)


def print_variant(name: str, seeds: Sequence[int], minutes: float | None, steps: int | None, runs: Path | None) -> None:
    """Train with every seed, and print what they came to, and their median."""
    one, found = VARIANTS[name], []
    length: dict[str, Any] = {"steps": steps} if steps else {"minutes": minutes or one.minutes}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found.append(_measured(one, seed, length, (runs or Path(folder)) / f"{name}-{seed}"))
        print(_row(f"{name}, {seed}", found[-1]), flush=True)
    print(_row(f"{name}, median", {what: statistics.median(each[what] for each in found) for what in found[0]}))


def _measured(one: Variant, seed: int, length: dict[str, Any], place: Path) -> dict[str, float]:
    started = time.monotonic()
    path = train(GlimpseConfig(data=(one.data,), seed=seed, samples=0, **one.options, **length), place)
    seconds, steps = time.monotonic() - started, load(path).step
    once, often = (evaluate(path, f"{one.data}-test", best=True, runs=runs) for runs in (1, one.runs))
    assert isinstance(once, GlimpseScore)
    assert isinstance(often, GlimpseScore)
    return {
        "accuracy": once.accuracy,
        "several": often.accuracy,
        "nats": once.nats,
        "steps": steps,
        "ms": 1000 * seconds / steps,
    }


def _row(name: str, scores: dict[str, float]) -> str:
    return (
        f"{name:<18}{scores['accuracy']:>9.4f}{scores['several']:>11.4f}{scores['nats']:>8.4f}{scores['steps']:>9,.0f}"
        f"{scores['ms']:>11.1f}"
    )


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
