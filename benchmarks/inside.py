"""What is claimed of a run's inside: its cells, what holding the quote cell does, and brackets against an n-gram's.

    python -m benchmarks.inside --run RUN [--json FILE]

Cells are those that `unrolled look` finds on held-out text. The quote cell is held at its mean
inside quotes, and at its mean outside, while 1,000 samples of 200 characters are written (temperature 0.8), after a
newline: how many quotes are opened, and how many of these are closed. Brackets are counted in 100 pieces of 1,000
characters of the network and of an n-gram model of order 5 of all of its training text, both at temperature 1. Errors
are standard errors over samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import Report, Row, parser, progress, report
from unrolled import intervene, load, look
from unrolled.data import split
from unrolled.generation import Strategy, writer
from unrolled.inspection.account import Account
from unrolled.inspection.brackets import brackets_of
from unrolled.inspection.labels import Reading
from unrolled.inspection.ngram import NGrams
from unrolled.runs import Run
from unrolled.runs.folder import RunFolder

_ORDER = 5
_ROWS, _LENGTH = 1000, 200
_PIECES, _PIECE = 100, 1000


def main(words: Sequence[str] | None = None) -> None:
    made = parser(__doc__)
    made.add_argument("--run", required=True, type=Path, help="a run's folder, a model of source code")
    options = made.parse_args(words)
    report("inside", "What is claimed of a run's inside", options, lambda made: _measure(made, options))


def _measure(made: Report, options: argparse.Namespace) -> None:
    progress("look")
    run, found = load(options.run), look(options.run).account
    rows: list[Row] = [
        {
            "label": one.label, "unit": one.unit, "measure": one.measure, "score": one.score, "chance": one.chance,
            "more than chance": one.passes,
        }
        for one in found.findings
    ]  # fmt: skip
    made.table("Cells, on held-out text", rows)
    progress("hold the quote cell")
    made.table("Quotes, with the quote cell held", _held(run, found))
    progress("brackets")
    made.table("Brackets", _brackets(run, options.run))


@dataclass(frozen=True)
class _Ratio:
    """A sum over samples, divided by another, with its standard error."""

    above: Sequence[int]
    below: Sequence[int]

    def __str__(self) -> str:
        above, below = np.asarray(self.above, float), np.asarray(self.below, float)
        ratio = above.sum() / max(below.sum(), 1)
        error = np.std(above - ratio * below, ddof=1) * len(above) ** 0.5 / max(below.sum(), 1)
        return f"{ratio:.3f} ± {error:.3f}"


def _held(run: Run, found: Account) -> list[Row]:
    best = next((one for one in found.findings if one.label == "quote"), None)
    unit = next((one for one in found.units if best and one.unit == best.unit), None)
    if unit is None or not best or not best.passes:
        return []
    label = next(one for one in found.labels if one.name == "quote")
    inside = torch.from_numpy(label.values) > 0
    means = {"inside": float(unit.values[inside].mean()), "outside": float(unit.values[~inside].mean())}
    ways: dict[str, dict[str, Any]] = {"nothing is held": {}}
    ways |= {f"{unit.unit} as {where}: {mean:+.3f}": {unit.unit: mean} for where, mean in means.items()}
    return [_quotes(way, _written(run, changes, _ROWS, _LENGTH, 0.8)) for way, changes in ways.items()]


def _quotes(way: str, samples: Sequence[str]) -> Row:
    opened, closed = [], []
    for sample in samples:
        strings = Reading(sample, "python").quotes
        opened.append(len(strings))
        closed.append(sum(end < len(sample) and sample[end] in "'\"" for _, end in strings))
    per_thousand = [_LENGTH / 1000] * len(samples)
    return {
        "held": way,
        "opened, of 1,000 characters": str(_Ratio(opened, per_thousand)),
        "closed": str(_Ratio(closed, per_thousand)),
        "closed, of those opened": str(_Ratio(closed, opened)),
    }


def _written(run: Run, changes: dict[str, Any], rows: int, length: int, temperature: float) -> list[str]:
    """Samples after a newline, side by side."""
    prompt = torch.from_numpy(run.vocabulary.encode_known("\n", "the prompt").astype("int64"))
    with intervene(run.model, changes), torch.no_grad():
        logits, state = run.model(prompt[:, None].expand(-1, rows).contiguous())
        chance = torch.rand((length, rows), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        ids, _, _ = writer(run.model, Strategy(temperature=temperature))(logits[-1], state, chance)
    return [run.vocabulary.decode(column) for column in ids.t().tolist()]


def _brackets(run: Run, path: Path) -> list[Row]:
    folder = RunFolder.at(path)
    parts = [split(text, run.config.val_frac)[0] for text in folder.texts(folder.identity().about)]
    learned = np.concatenate([np.asarray(one[:]).astype(np.int64) for one in parts])
    counted = NGrams(learned, run.model.config.vocab_size, _ORDER)
    begin = run.vocabulary.encode_known("\n", "the prompt")
    writers: dict[str, Callable[[], list[str]]] = {
        "the network": lambda: _written(run, {}, _PIECES, _PIECE, 1.0),
        f"{_ORDER}-gram": lambda: [
            run.vocabulary.decode(counted.sample(_PIECE, seed, begin).tolist()) for seed in range(_PIECES)
        ],
    }
    return [_counted(name, write()) for name, write in writers.items()]


def _counted(name: str, pieces: Sequence[str]) -> Row:
    found = [brackets_of(piece, "python") for piece in pieces]
    closed, opened = [len(one.pairs) for one in found], [one.opened for one in found]
    return {
        "written by": name,
        "opened": sum(opened),
        "closed correctly": sum(closed),
        "closed correctly, a piece": str(_Ratio(closed, [1] * len(pieces))),
        "of those opened": str(_Ratio(closed, opened)),
        "closed wrongly": sum(one.wrong for one in found),
        "pieces without a fault": sum(one.wrong == 0 and one.opened == len(one.pairs) for one in found),
    }


if __name__ == "__main__":
    main()
