"""The size of the gist min-char-rnn (H = 100, T = 25, one stream): a step of our preset against the script in NumPy.

    python -m benchmarks.gist [--json FILE]

The script is examples/min_char_rnn.py, in float64; ours is the preset, in its own float32 and in float64. Before any
time, both make the same steps from the same weights, in float64.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks import min_char_rnn
from benchmarks.measure import Entry, WrongAnswerError, race, with_threads
from benchmarks.models import SYMBOLS
from benchmarks.report import Report, parser, report
from unrolled import TextConfig, cells
from unrolled.runs import preset
from unrolled.runs.building import initialised
from unrolled.runs.tasks import text_model, text_task
from unrolled.training import Stepped, Trainer

_NO_END = 10**9
_RATE = 0.01  # at the preset's 0.1 rounding grows (benchmarks.min_char_rnn)
_TOLERANCE = 1e-9


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(words)
    report("gist", "The size of min-char-rnn", options, lambda made: _measure(made, options))


def _measure(made: Report, options: argparse.Namespace) -> None:
    moves = np.random.default_rng(options.seed).integers(-3, 4, 5_001)
    ids = np.cumsum(moves) % SYMBOLS
    _gate(ids, 5 if options.quick else 100)
    ways = [
        Entry("NumPy", _by_hand(ids)),
        *with_threads("unrolled, float32", _preset(ids, "float32")),
        *with_threads("unrolled, float64", _preset(ids, "float64")),
    ]
    times = race(ways, options.rounds)
    numpy = times["NumPy"].ms
    rows = [{"who": who, "ms": one.ms, "NumPy's time over it": numpy / one.ms} for who, one in times.items()]
    made.table("A step", rows)


def _gate(ids: np.ndarray, steps: int) -> None:
    """Step by step, the script and the preset have the same loss and the same weights."""
    for what, off in zip(("loss", "weight"), min_char_rnn.together(ids, SYMBOLS, steps, _RATE), strict=True):
        if not off <= _TOLERANCE:
            raise WrongAnswerError(f"min-char-rnn: a {what} differs from the script's by {off:.1e}")


def _by_hand(ids: np.ndarray) -> Callable[[], float]:
    script = min_char_rnn.script()
    script.LEARNING_RATE = _RATE
    parameters = script.initial_parameters(100, SYMBOLS, np.random.default_rng(0))
    steps = script.training(parameters, ids, _NO_END)
    return lambda: next(steps)[0]


def _preset(ids: np.ndarray, precision: str) -> Callable[[], float]:
    changes = {"steps": _NO_END, "precision": precision, "samples": 0, "evaluations": 1, "learning_rate": _RATE}
    config = TextConfig(**preset("min-char-rnn") | changes)
    model = initialised(config, lambda: text_model(config, SYMBOLS, cells.find(config.cell).graph))
    events = Trainer(text_task(config, model, [ids]), config).run()
    return lambda: next(event.loss for event in events if isinstance(event, Stepped))


if __name__ == "__main__":
    main()
