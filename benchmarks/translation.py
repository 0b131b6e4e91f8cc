"""Translators on real pairs, three seeds each: what `unrolled train --task translate` comes to.

    unrolled data get dates            # and dates-test, debian-fr, debian-fr-test, cmudict, cmudict-test
    python -m benchmarks.translation [--only dates] [--seeds 1 2 3] [--runs FOLDER]

"pointing" is the share of the years, months and days of dates that were written right for which attention, summed up
over the digits as they are written, lies most on that word of the source.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is here, as the command does: docs/decisions/0003

import numpy as np
import torch

from unrolled import evaluate, load, train
from unrolled.data import Ragged
from unrolled.data.gluing import JOINER
from unrolled.data.parallel_corpora import written_dates
from unrolled.generation import Beam
from unrolled.runs.tasks import TranslateConfig
from unrolled.runs.tasks.translate_data import encoded
from unrolled.runs.tasks.translating import render

_DEBIAN: dict[str, Any] = {"minutes": 14.0, "tokens": "pairs", "vocab_size": 4000}


@dataclass(frozen=True)
class Set:
    """Pairs to learn, others to measure by, and how they are learned."""

    learned: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> str:
        """What it is measured by."""
        return f"{self.learned}-test"


SETS = {
    "dates": Set("dates", {"minutes": 1.5, "tokens": "characters"}),
    "debian": Set("debian-fr", _DEBIAN),
    "debian-fixed": Set("debian-fr", _DEBIAN | {"context": "fixed"}),
    "debian-state": Set("debian-fr", _DEBIAN | {"context": "state", "reverse_source": True}),
    "g2p": Set(
        "cmudict",
        {"minutes": 25.0, "tokens": "characters", "target_tokens": "words", "val_frac": 0.0526, "batch_size": 128,
         "num_layers": 2, "embedding_size": 128, "learning_rate": 2e-3, "dropout": 0.3,
         "label_smoothing": 0.0, "tied": False},
    ),
}  # fmt: skip


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--only", choices=[*SETS])
    made.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    made.add_argument("--runs", type=Path, help="keep the runs here")
    asked = made.parse_args()
    for name, one in SETS.items():
        if asked.only in (None, name):
            print_set(name, one, asked.seeds, asked.runs)


def print_set(name: str, one: Set, seeds: Sequence[int], runs: Path | None) -> None:
    """Train with every seed, and print what they came to."""
    found: list[dict[str, float]] = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            place = (runs or Path(folder)) / f"{name}-{seed}"
            found.append(_measured(one, seed, place))
        print(f"{name}, seed {seed}: {_told(found[-1])}", flush=True)
    print(f"{name}, median: {_told({what: statistics.median(each[what] for each in found) for what in found[0]})}")


def _measured(one: Set, seed: int, place: Path) -> dict[str, float]:
    started = time.monotonic()
    path = train(TranslateConfig(data=(one.learned,), seed=seed, samples=0, **one.options), place)
    scores: dict[str, float] = {"seconds": time.monotonic() - started}
    for beam in (1, 5):
        score = evaluate(path, one.measured, best=True, beam=beam)
        scores |= {f"{what} (beam {beam})": value for what, value in vars(score).items() if isinstance(value, float)}
        if beam == 5:
            print("   ", *score.signatures)
    if one.learned == "dates":
        scores["pointing"] = pointing(path)
    return scores


def _told(scores: dict[str, float]) -> str:
    return ", ".join(f"{what} {value:.4g}" for what, value in scores.items())


def pointing(path: Path) -> float:
    """How often attention is on the right word while a year, a month or a day is written, in dates held out."""
    run = load(path, best=True)
    dates = list(written_dates(held_out=True))
    texts = [text for text, _, _ in dates]
    inputs = Ragged.of(encoded(run.about.source, text, text, 1000) for text in texts)
    said = render(run.model, run.about, texts, inputs, Beam(1))
    assert said is not None
    right: list[bool] = []
    for (text, day, language), ranked in zip(dates, said, strict=True):
        best = ranked[0]
        if best.text != day.isoformat() or best.places is None:
            continue
        words = _words(text, day, language)
        pieces = _spans(text, run.about.source.cut(text))
        for part, symbols in (("year", slice(0, 4)), ("month", slice(5, 7)), ("day", slice(8, 10))):
            mass = best.places[symbols].sum(axis=0)
            of_words = {name: _mass(mass, pieces, span) for name, span in words.items()}
            right.append(max(of_words, key=lambda name: of_words[name]) == part)
    print(f"    pointing: of {len(right) // 3} dates of {len(dates)}, those that were written right")
    return float(np.mean(right)) if right else 0.0


def _words(text: str, day: date, language: str) -> dict[str, tuple[int, int]]:
    """Where the words of a date stand: its year, month and day by these names, the others by their numbers."""
    from babel.dates import format_date

    months = {format_date(day, form, language).strip(".").casefold() for form in ("MMMM", "MMM", "LLLL")}
    found = [(one[0], one.span()) for one in re.finditer(r"\d+|[^\W\d]+", text)]
    numbers = [(int(word), span) for word, span in found if word.isdecimal()]
    is_numeric = len(numbers) == 3
    named: dict[str, tuple[int, int]] = {}
    for place, (word, span) in enumerate(found):
        name = str(place)
        if word.isdecimal():
            name = "year" if len(word) == 4 else "month" if is_numeric and span == numbers[1][1] else "day"
        elif word.casefold() in months:
            name = "month"
        named[name] = span
    return named


def _spans(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Where each piece stands in the text."""
    spans, place = [], 0
    for piece in (one.strip(JOINER) for one in pieces):
        start = text.index(piece, place)
        place = start + len(piece)
        spans.append((start, place))
    return spans


def _mass(mass: np.ndarray[Any, Any], pieces: Sequence[tuple[int, int]], span: tuple[int, int]) -> float:
    return float(sum(one for one, (start, end) in zip(mass, pieces, strict=True) if start < span[1] and end > span[0]))


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
