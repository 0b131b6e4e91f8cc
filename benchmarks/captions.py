"""Captioners on icons, three seeds each: what `unrolled train --task caption` comes to, and where it looks.

    unrolled data get icons            # and icons-test
    python -m benchmarks.captions [--only soft] [--seeds 1 2 3] [--runs FOLDER]

"badges": of the icons of the test whose caption is right and names a badge whose place is known, the share of those in
which more than half of the attention lies in the lower right quarter while the badge is named; "mass": how much lies
there in the mean (0.25 if it were even). A badge is a word by which one icon's name is longer than another's; its place
is known where nine tenths of the pixels in which the two differ lie in that quarter.
"marked": images of 16 shapes, one of them marked; the caption is what it is. Each cell is seen by itself, so that
nothing but attention can bring mark and shape together. The share of images in which the marked cell has most of the
attention of the 16, while the shape is named.
"overfit": 50 icons learned by heart in 150 epochs, the image as first state, as 50 photographs are in the third
assignment of CS231n 2016 (in 50 epochs, of features): nats of a caption, summed over it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is here, as the command does: docs/decisions/0003

import numpy as np
import torch
from torch import nn

from unrolled import evaluate, load, train
from unrolled.data import Picture, found, pictures
from unrolled.generation import Beam
from unrolled.runs.tasks import CaptionConfig
from unrolled.runs.tasks.batches import nats_of
from unrolled.runs.tasks.caption_data import LONGEST, captioned
from unrolled.runs.tasks.captioning import Told, tell
from unrolled.runs.tasks.image_features import features_by

_FRAME = (1, 32, 32)
_MINUTES = 10.0
_IN_QUARTER = 0.9
_SHAPES = ("cross", "square", "ring", "bar", "post", "slash", "dot", "corner")
_HARD: dict[str, Any] = {"dropout": 0.3, "encoder_dropout": 0.0}  # (a place that is drawn is noise enough)
_OVERFIT: dict[str, Any] = {
    "image": "state", "hidden_size": 512, "embedding_size": 256, "encoder_size": 512, "batch_size": 25, "epochs": 150.0,
    "learning_rate": 1e-3, "weight_decay": 0.0, "dropout": 0.0, "label_smoothing": 0.0, "shift": 0, "val_frac": 0.0,
}  # fmt: skip


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--only", choices=["soft", "hard", "first", "every", "state", "word", "marked", "overfit"])
    made.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    made.add_argument("--runs", type=Path, help="keep the runs here")
    made.add_argument("--steps", type=int, help=f"of icons, in the place of {_MINUTES:g} minutes")
    asked = made.parse_args()
    length = {"steps": asked.steps} if asked.steps else {"minutes": _MINUTES}
    with tempfile.TemporaryDirectory() as folder:
        place = asked.runs or Path(folder)
        for image in ("soft", "hard", "first", "every", "state", "word"):
            if asked.only in (None, image):
                tried = [_icons(image, seed, place / f"{image}-{seed}", length) for seed in asked.seeds]
                print(f"{image}, median: {_listed(tried)}")
        if asked.only in (None, "marked"):
            tried = [_marked(seed, place / f"marked-{seed}") for seed in asked.seeds]
            print(f"marked, median: {_listed(tried)}")
        if asked.only in (None, "overfit"):
            for cell in ("rnn", "lstm"):
                print(f"overfit, {cell}: {_overfit(cell, place / f'overfit-{cell}'):.4f} nats a caption")


def _listed(tried: Sequence[dict[str, float]]) -> str:
    return _written({what: statistics.median(one[what] for one in tried) for what in tried[0]})


def _written(scores: dict[str, float]) -> str:
    return ", ".join(f"{what} {value:.4g}" for what, value in scores.items())


def _icons(image: Any, seed: int, place: Path, length: dict[str, Any]) -> dict[str, float]:
    started = time.monotonic()
    options = length | (_HARD if image == "hard" else {})
    path = train(CaptionConfig(data=("icons",), image=image, seed=seed, samples=0, **options), place)
    scores: dict[str, float] = {"seconds": time.monotonic() - started}
    for beam in (1, 3):
        score = evaluate(path, "icons-test", best=True, beam=beam)
        scores |= {f"{what} (beam {beam})": value for what, value in vars(score).items() if isinstance(value, float)}
    if image in ("soft", "hard"):
        scores |= badges(path)
    print(f"{image}, seed {seed}: {_written(scores)}", flush=True)
    return scores


def badges(path: Path) -> dict[str, float]:
    """Where attention lies while badges are named, in icons that the run at this path tells rightly."""
    run = load(path, best=True)
    learned, others = _read("icons"), _read("icons-test")
    known = {one.texts[0]: one for one in (*learned, *others)}
    told = tell(run.model, run.about, captioned(run.about.spelling, others, LONGEST), Beam(3, 0))
    assert told is not None
    masses = [
        mass for one, ranked in zip(others, told, strict=True) for mass in _masses(run.model, one, known, ranked[0])
    ]
    return {"badges": float(np.mean(np.array(masses) > 0.5)), "mass": float(np.mean(masses)), "icons": len(masses)}


def _read(name: str) -> list[Picture]:
    with found([name]) as places:
        return pictures(places, _FRAME)


def _masses(model: Any, one: Picture, known: dict[str, Picture], said: Told) -> Iterator[float]:
    """How much of the attention lies in the lower right quarter while each badge is named."""
    words = one.texts[0].split()
    if list(said.pieces) != words or said.places is None:
        return
    for place in range(1, len(words)):
        base = known.get(" ".join(words[:place] + words[place + 1 :]))
        if base is not None and _is_lower_right(one, base):
            rows, columns = model.viewer.shape
            weights = said.places[place].reshape(rows, columns)
            yield float(weights[rows // 2 :, columns // 2 :].sum())


def _is_lower_right(one: Picture, base: Picture) -> bool:
    """Whether nearly all in which two icons differ lies in the lower right quarter."""
    differs = np.abs(one.pixels[0].astype(int) - base.pixels[0])
    height, width = differs.shape
    return bool(differs[height // 2 :, width // 2 :].sum() >= _IN_QUARTER * differs.sum() > 0)


def marked_shapes(count: int, seed: int) -> dict[str, np.ndarray]:
    """So many images of 16 shapes each, of which one is marked: `x` `[N, 32, 32]`, its name `y`, its cell `cell`."""
    numbers = np.random.default_rng(seed)
    drawings = _drawings()
    x = np.full((count, 32, 32), 255, dtype=np.uint8)
    cells, names = numbers.integers(16, size=count), numbers.integers(len(_SHAPES), size=(count, 16))
    for row in range(count):
        for cell in range(16):
            top, left = 8 * (cell // 4), 8 * (cell % 4)
            if cell == cells[row]:
                x[row, top : top + 8, left : left + 8] = 150
            x[row, top + 1 : top + 7, left + 1 : left + 7][drawings[names[row, cell]]] = 0
    named = [_SHAPES[one] for one in names[np.arange(count), cells].tolist()]
    return {"x": x, "y": np.array(named), "cell": cells}


class Cells(nn.Module):
    """Images `[B, 1, 32, 32]` to a grid `[B, 64, 4, 4]`: the pixels of each cell, which knows nothing of the others."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The grid."""
        return nn.functional.pixel_unshuffle(images / 255, 8)


def cells_of() -> nn.Module:
    """The encoder of marked shapes."""
    return Cells()


def _drawings() -> np.ndarray:
    """Each shape in 6 x 6 pixels."""
    down, across = np.mgrid[:6, :6]
    square, inner = np.ones((6, 6), dtype=bool), (down % 5 > 0) & (across % 5 > 0)
    middle = (down // 2 == 1) & (across // 2 == 1)
    shapes = {
        "cross": (down // 2 == 1) | (across // 2 == 1), "square": square, "ring": square & ~inner,
        "bar": down // 2 == 1, "post": across // 2 == 1, "slash": abs(down + across - 5) < 2, "dot": middle,
        "corner": (down > 3) | (across < 2),
    }  # fmt: skip
    return np.stack([shapes[name] for name in _SHAPES])


def _marked(seed: int, place: Path) -> dict[str, float]:
    """Learn to name the marked shape, and see where is looked in images that were not learned."""
    place.parent.mkdir(parents=True, exist_ok=True)
    data = place.parent / f"{place.name}.npz"
    np.savez(data, **marked_shapes(8_000, seed))
    options: dict[str, Any] = {"steps": 3_000, "spread": 0.0, "dropout": 0.0, "encoder_dropout": 0.0, "samples": 0}
    options |= {"encoder": f"{__file__}:cells_of"}
    path = train(CaptionConfig(data=(str(data),), seed=seed, **options), place)
    run = load(path, best=True)
    other = marked_shapes(1_000, seed + 1_000)
    read = [Picture(one[None], (str(name),), "") for one, name in zip(other["x"], other["y"], strict=True)]
    features = features_by(run.about.encoder, read)
    assert features is not None
    told = tell(run.model, run.about, captioned(run.about.spelling, read, LONGEST, features.values), Beam(1, 0))
    assert told is not None
    cells = np.array([ranked[0].places[0].argmax() for ranked in told if ranked[0].places is not None])
    right = np.mean([ranked[0].text == name for ranked, name in zip(told, other["y"], strict=True)])
    scores = {"named": float(right), "attended": float(np.mean(cells == other["cell"]))}
    print(f"marked, seed {seed}: {_written(scores)}", flush=True)
    return scores


def _overfit(cell: str, place: Path) -> float:
    """Nats of each of 50 captions, summed over it, at the end."""
    place.parent.mkdir(parents=True, exist_ok=True)
    data = place.parent / "fifty.npz"
    fifty = _read("icons")[:50]
    np.savez(data, x=np.stack([one.pixels[0] for one in fifty]), y=np.array([one.texts[0] for one in fifty]))
    run = load(train(CaptionConfig(data=(str(data),), cell=cell, samples=0, **_OVERFIT), place))
    examples = captioned(run.about.spelling, fifty, LONGEST)
    nats = nats_of(run.model, examples)
    assert nats is not None
    return nats * len(examples.targets.values) / len(examples)


if __name__ == "__main__":
    main()
