"""What is seen in a captioner while it tells of images: where it looks, its best and worst, gates, gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
import torch

from unrolled.data import Ragged
from unrolled.generation import Beam, Strategy
from unrolled.inspection import Gaze, Label, Sentence, account_of, gazing
from unrolled.inspection import open as opened
from unrolled.models import Captioner, Teller, given_before
from unrolled.runs.tasks.caption_data import AboutCaptions, Captioned
from unrolled.runs.tasks.captioning import Told, tell
from unrolled.runs.tasks.examples import spread
from unrolled.runs.tasks.examples_look import to_be_read, written
from unrolled.runs.tasks.kind import Asked, Seen
from unrolled.training.caption_scores import exact_match, word_f1

_LOGITS = 100_000_000  # numbers that are kept at once
_PIXELS = 1 << 23
_DRAWN = 16  # images whose attention is drawn
_RANKED = 400  # images among which the best and the worst are looked for
_EACH = 10
_END = "(end)"
_WHERE = "Where it looked before each word: orange where more than evenly, full at eight times that"
_BEFORE = ("(image)", "(start)")


@dataclass(frozen=True)
class _Ranked:
    """Images with what was said of them, the best first; `f1`: of the words; `is_right`: None where nobody knows."""

    images: Captioned
    said: Sequence[str]
    is_right: Sequence[bool | None]
    f1: Sequence[float]


def look_at_captions(
    model: Captioner, about: AboutCaptions, examples: Captioned, way: Beam | Strategy, name: str, asked: Asked
) -> Seen:
    """Look at a model while it tells the first caption of these images, or of as many as are not too many steps."""
    firsts = Ragged.of(_first(targets, len(about.spelling)) for targets in _rows(examples.targets))
    read = _fitting(to_be_read(_with(examples, firsts), asked.most, firsts.lengths + 1), len(about.spelling))
    asked.say("telling")
    ranked = _ranked(model, about, examples.pick(spread(len(examples), _RANKED)), way)
    few = examples.pick(spread(len(examples), _DRAWN))
    told = tell(model, about, few, way)
    assert told is not None, "nobody says stop"
    batch = read.batch(np.arange(len(read)))
    sees_first = isinstance(model.teller, Teller) and model.teller.config.image == "word"  # (a step of its own)
    before = _BEFORE if sees_first else _BEFORE[1:]
    pieces = [[*before, *(about.spelling.entries[one] for one in ids.tolist())] for ids in _rows(read.targets)]
    given = given_before(batch.targets, model.teller.boundary)
    inputs = (batch.inputs, batch.lengths, given, torch.from_numpy(read.targets.lengths + 1))
    symbols = [symbol for of_one in pieces for symbol in written(of_one, about.unit)]
    lengths = list(map(len, pieces))
    labels = _labels(lengths, about.unit)
    made = account_of(opened(model), *inputs, symbols=symbols, labels=labels, lengths=lengths, say=asked.say)
    gazes = list(_gazes(model, about, few, told))
    sentences = [*(_of_scores(ranked) if asked.has_answers else ()), *_of_gazes(gazes)]
    return Seen(f"{name}, {len(read)} images", sum(lengths), made, sentences, partial(_pictures, gazes, ranked))


def _fitting(examples: Captioned, symbols: int) -> Captioned:
    """The first of them, as many as whose pixels and logits fit into the memory together, with gradients."""
    longest = np.maximum.accumulate(examples.targets.lengths + 1)
    logits = longest * np.arange(1, len(examples) + 1) * (symbols + 1)
    pixels = np.arange(1, len(examples) + 1) * examples.pixels[0].size
    return examples.pick(np.arange(max(1, int(((logits <= _LOGITS) & (pixels <= _PIXELS)).sum()))))


def _rows(ragged: Ragged) -> Iterator[Any]:
    return (ragged[row] for row in range(len(ragged)))


def _first(targets: Any, boundary: int) -> Any:
    """The first caption of an image, without its end."""
    return targets[: int((targets == boundary).argmax())]


def _with(examples: Captioned, targets: Ragged) -> Captioned:
    return replace(examples, targets=targets)


def _ranked(model: Captioner, about: AboutCaptions, examples: Captioned, way: Beam | Strategy) -> _Ranked:
    """Images by the F1 of what was said; of equal ones the likelier first."""
    told = tell(model, about, examples, way)
    assert told is not None, "nobody says stop"
    if not any(examples.texts):
        likeliest = sorted(range(len(told)), key=lambda row: -told[row][0].log_probability)
        texts = [told[row][0].text for row in likeliest]
        return _Ranked(examples.pick(likeliest), texts, [None] * len(told), [0.0] * len(told))
    said = [about.spelling.cut(ranked[0].text) for ranked in told]
    references = [[about.spelling.cut(text) for text in texts] for texts in examples.texts]
    f1, exact = word_f1(said, references), exact_match(said, references)
    order = sorted(range(len(told)), key=lambda row: (-f1[row], -told[row][0].log_probability))
    return _Ranked(
        examples.pick(np.array(order)),
        [told[row][0].text for row in order],
        [bool(exact[row]) for row in order],
        [f1[row] for row in order],
    )


def _gazes(model: Captioner, about: AboutCaptions, images: Captioned, told: Sequence[Sequence[Told]]) -> Iterator[Gaze]:
    """Where it looked, of images whose places stand in rows and columns."""
    shape = model.viewer.shape
    place = None if model.config.viewer.frame is None else model.viewer.grid.pixels
    for row, (best, *_) in enumerate(told):
        if best.places is not None and shape is not None:
            weights = best.places.reshape(-1, *shape)
            if model.teller.config.image == "hard":  # (the place that it looked at, not how likely it was)
                weights = (weights == weights.max(axis=(1, 2), keepdims=True)).astype(np.float32)
            title = f"{best.text}  (log p = {best.log_probability:.2f} nats)"
            if images.texts[row]:
                title += f"; it is: {images.texts[row][0]}"
            pieces = [*(about.spelling.join([one]) for one in best.pieces), _END]
            yield Gaze(str(row + 1), title, images.pixels[row], pieces, weights, place)


def _pictures(gazes: Sequence[Gaze], ranked: _Ranked) -> Mapping[str, Any]:
    from unrolled.inspection import gaze_figures as figures  # (plotly is slow to import, and seldom needed)

    captured = [
        figures.Captured(pixels, said, next(iter(texts), ""), is_right)
        for pixels, said, texts, is_right in zip(
            ranked.images.pixels, ranked.said, ranked.images.texts, ranked.is_right, strict=True
        )
    ]
    each = min(_EACH, max(1, len(captured) // 2))
    shown = {_WHERE: figures.gazes(gazes)} if gazes else {}
    if captured[0].is_right is None:
        return {**shown, "What it told, the likeliest first": figures.gallery(captured[: 2 * _EACH])}
    shown["What it told best, by F1 of the words, then by likelihood"] = figures.gallery(captured[:each])
    if len(captured) > 1:
        shown["What it told worst, by the same"] = figures.gallery(captured[: -each - 1 : -1])
    return shown


def _of_scores(ranked: _Ranked) -> Iterator[Sentence]:
    exact, f1 = fmean(map(bool, ranked.is_right)), float(np.mean(ranked.f1))
    text = f"of {len(ranked.said)} images {exact:.0%} are told exactly as they are; word F1 {f1:.2f}"
    yield Sentence("scores", text, {"exact": round(exact, 4), "f1": round(f1, 4), "images": len(ranked.said)})


def _of_gazes(gazes: Sequence[Gaze]) -> Iterator[Sentence]:
    if gazes:
        found = gazing(gazes)
        text = f"the place that counts most has {found.sharpest:.0%} of the weight in the mean (even: {found.even:.1%})"
        figures = {"sharpest": round(found.sharpest, 4), "images": len(gazes)}
        if np.isfinite(found.moved):
            text += f", and what it looks at moves by {found.moved:.2f} of the image from word to word"
            figures["moved"] = round(found.moved, 4)
        yield Sentence("attention", text, figures)


def _labels(lengths: Sequence[int], unit: str) -> list[Label]:
    """Of each step: how many are behind it, and before it."""
    read = np.concatenate([np.arange(one) for one in lengths]).astype(np.float64)
    left = np.concatenate([np.arange(one, 0, -1) for one in lengths]).astype(np.float64)
    found = [
        Label("start", f"how many {unit}s were told", read),
        Label("end", "how far the caption's end is", left),
    ]
    return [one for one in found if one.varies]
