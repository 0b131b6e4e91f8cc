"""Whole steps of training against the same model in plain PyTorch: char-rnn's preset, and two layers of 512 units.

    python -m benchmarks.training_steps [--only 2x512 float32] [--json FILE]

A step is everything: chunk, forward, loss, backward, clipping, update. PyTorch's has `nn.LSTM`, `F.cross_entropy` and
its fused optimiser (of RMSProp torch has none: the one over all parameters at once); bfloat16 is autocast, on both
sides. Before any time, the first steps must have the same losses. The contestants are those of
`benchmarks.contestants`, processes of their own.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.contestants import Contestant, contestants
from benchmarks.models import Recipe, recipes
from benchmarks.report import Report, Row, is_wanted, parser, progress, report

_TURN = 0.5  # seconds


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(words)
    report("training_steps", "Steps of training", options, lambda made: _measure(made, options))


def _measure(made: Report, options: argparse.Namespace) -> None:
    chosen = [recipe for recipe in recipes(is_quick=options.quick) if is_wanted(str(recipe), options)]
    made.table("Times", [_row(recipe, options) for recipe in chosen])


def _row(recipe: Recipe, options: argparse.Namespace) -> Row:
    progress(str(recipe))
    with contestants(recipe) as everyone:
        turns = [_turns(everyone, 0.0 if options.quick else _TURN) for _ in range(options.rounds)]
    times = {what: statistics.median(turn[what] for turn in turns) for what in turns[0]}
    ours, theirs = times["unrolled"], min(times["torch, 1 thread"], times["torch, 2 threads"])
    return {
        "model": recipe.name, "type": "bfloat16" if recipe.is_bfloat16 else "float32",
        **{f"{what}, ms": time for what, time in times.items()},
        "ratio": theirs / ours, "share of the recurrent layers": times["unrolled, the layers"] / ours,
    }  # fmt: skip


def _turns(everyone: Mapping[str, Contestant], seconds: float) -> dict[str, float]:
    times = {who: one.ms("step", seconds) for who, one in everyone.items()}
    return times | {"unrolled, the layers": everyone["unrolled"].ms("layers", seconds)}


if __name__ == "__main__":
    main()
