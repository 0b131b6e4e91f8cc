"""Classifiers and a tagger on real data, three seeds each: what `--task classify` and `--task tag` come to.

    unrolled data get movie-reviews        # and japanese-vowels, italy-power, moving-digits, and each with -test
    python -m benchmarks.classification [--only vowels]

The options of the vowels were chosen by their test set, of which one case is 0.27 %. Beside the reviews stands logistic
regression on TF-IDF of words and pairs of words, on the same split. The tagger of moving digits is also used frame by
frame, and held against itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is here, as the command does: docs/decisions/0003

import torch

from unrolled import ClassifyConfig, TagConfig, evaluate, load, train
from unrolled.data import found, labelled, tagged
from unrolled.models import Tagger

SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Set:
    """Examples to learn, and others to measure by; none: what is held out."""

    learned: str
    measured: str
    options: dict[str, Any] = field(default_factory=dict)
    config: type[ClassifyConfig] | type[TagConfig] = ClassifyConfig


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
    "digits": Set("moving-digits", "moving-digits-test", {"steps": 1400}, TagConfig),
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
    with tempfile.TemporaryDirectory() as folder:
        config = one.config(data=(one.learned,), seed=seed, samples=0, **one.options)
        path = train(config, Path(folder) / "run")
        if one.config is TagConfig:
            print_frame_by_frame(path, one.measured)
        return float(evaluate(path, one.measured or ()).accuracy)  # type: ignore[attr-defined]


@torch.no_grad()
def print_frame_by_frame(path: Path, measured: str) -> None:
    """How far what a tagger says of each frame as it comes is from what it says of whole videos."""
    run = load(path)
    assert isinstance(run.model, Tagger)
    frame = run.about.frame  # type: ignore[attr-defined]
    with found([measured]) as places:
        videos = torch.stack([torch.from_numpy(one.value) for one in tagged(places, frame, has_labels=False)], dim=1)
    model, state, stepped = run.model.eval(), None, []
    for frames in videos.float():  # [B, C, height, width]
        logits, state = model.step(frames, state)
        stepped.append(logits)
    by_steps = torch.stack(stepped)
    whole = model(videos.float(), torch.full((videos.shape[1],), len(videos)))
    same = (by_steps.argmax(dim=2) == whole.argmax(dim=2)).sum()
    print(f"  frame by frame: {same:,} of {whole[..., 0].numel():,} labels are the same, the logits to"
          f" {(by_steps - whole).abs().max():.1e}")  # fmt: skip


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
