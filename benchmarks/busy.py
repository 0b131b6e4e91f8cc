"""A step of training while another process keeps one core busy, as a browser does: ours and torch's.

    python -m benchmarks.busy [--only char-rnn] [--json FILE]

The contestants are those of `benchmarks.contestants`, processes of their own. A time is the median of the rounds; in
each, all take a turn on the quiet machine, then all beside the busy process.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.contestants import Contestant, contestants, one_core_busy
from benchmarks.models import Recipe, recipes
from benchmarks.report import Report, Row, is_wanted, parser, progress, report

_TURN = 0.5  # seconds


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(words)
    report("busy", "A step of training beside a busy process", options, lambda made: _measure(made, options))


def _measure(made: Report, options: argparse.Namespace) -> None:
    chosen = [one for one in recipes(is_quick=options.quick) if not one.is_bfloat16 and is_wanted(str(one), options)]
    made.table("Times", [row for recipe in chosen for row in _rows(recipe, options)])


def _rows(recipe: Recipe, options: argparse.Namespace) -> list[Row]:
    progress(str(recipe))
    quiet, busy = [], []
    with contestants(recipe) as everyone:
        for _ in range(options.rounds):
            quiet.append(_turns(everyone, options))
            with one_core_busy():
                busy.append(_turns(everyone, options))
    return [
        _row(recipe, who, *(statistics.median(turn[who] for turn in turns) for turns in (quiet, busy)))
        for who in everyone
    ]


def _turns(everyone: Mapping[str, Contestant], options: argparse.Namespace) -> dict[str, float]:
    return {who: one.ms("step", 0.0 if options.quick else _TURN) for who, one in everyone.items()}


def _row(recipe: Recipe, who: str, quiet: float, busy: float) -> Row:
    return {"model": recipe.name, "who": who, "quiet, ms": quiet, "busy, ms": busy, "times as long": busy / quiet}


if __name__ == "__main__":
    main()
