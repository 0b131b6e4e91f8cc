"""What is seen in a beholder while it looks at images: where, what it makes of it, units, gates, gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data import Examples
from unrolled.inspection import Label, Sentence, account_of
from unrolled.inspection import open as opened
from unrolled.inspection.glimpses import Glimpses, middles
from unrolled.models import Beholder, Sight, evaluating
from unrolled.runs.tasks.classes_score import check_finite
from unrolled.runs.tasks.examples_look import to_be_read
from unrolled.runs.tasks.glimpse_data import AboutGlimpses
from unrolled.runs.tasks.glimpse_score import said_of, wanted_of
from unrolled.runs.tasks.kind import Asked, Seen

_CLASSES = 12  # that are looked for
_EACH = 2  # images that are shown of each sort
_END = "(end)"


def look_at_glimpses(model: Beholder, about: AboutGlimpses, examples: Examples, name: str, asked: Asked) -> Seen:
    """Look at a model while it looks at these images, or as many as do not become too many glimpses."""
    steps = model.config.steps
    examples = to_be_read(examples, asked.most, np.full(len(examples), steps))
    batch = examples.batch(np.arange(len(examples)))
    asked.say("looking at images")
    with evaluating(model), torch.no_grad():
        sight = model.sight(batch.inputs[0])
        chances = sight.logits.double().softmax(dim=2).numpy()  # [T, B, V]
    check_finite("answers", chances.reshape(-1, chances.shape[2]))
    boxes = sight.boxes.double().numpy()
    labels = _labels(about, examples, boxes)
    inputs = (batch.inputs, batch.lengths, *sight.given)
    made = account_of(opened(model), *inputs, labels=labels, lengths=[steps] * len(examples), say=asked.say)
    wanted = wanted_of(model, examples)
    known = wanted if asked.has_answers else None
    shown = list(_shown(model, about, batch.inputs[0].numpy(), sight, chances, known))
    told = [_told_of_all(model, about, boxes, chances, wanted, asked), *(_told(one) for one in shown)]
    return Seen(f"{name}, {len(examples)} images", steps * len(examples), made, told, partial(_pictures, shown))


def _labels(about: AboutGlimpses, examples: Examples, boxes: NDArray[np.float64]) -> list[Label]:
    """Of each glimpse: which it is, where, and, of images with one object, what that is."""
    steps, count = boxes.shape[:2]
    across, down = middles(boxes).transpose(1, 0, 2).reshape(-1, 2).T
    found = [
        Label("glimpse", "how many glimpses came before", np.tile(np.arange(steps), count).astype(np.float64)),
        Label("across", "how far right the glimpse is", across),
        Label("down", "how far down the glimpse is", down),
        Label("side", "how wide what it sees is", boxes[:, :, 0, 2].T.reshape(-1)),
    ]
    if not about.ends:
        truth = np.repeat(examples.targets.values, steps)
        found += [
            Label(f"class {one}", f"in an image of {one}", (truth == place).astype(np.float64))
            for place, one in enumerate(about.classes[:_CLASSES])
        ]
    return [one for one in found if one.varies]


def _shown(
    model: Beholder,
    about: AboutGlimpses,
    images: NDArray[np.float32],
    sight: Sight,
    chances: NDArray[np.float64],
    wanted: NDArray[np.int64] | None,
) -> Iterator[Glimpses]:
    """The surest images that are right, the surest that are wrong, the least sure, each once.

    Where nobody knows what is right (`wanted` is None): the surest, and the least sure.
    """
    symbols = (*about.classes, *([_END] if about.ends else []))
    last = chances[model.config.glimpses - 1 :: model.config.glimpses].transpose(1, 0, 2)  # [B, S, V]
    said = [said_of(about.classes, answers) for answers in last]
    truth = None if wanted is None else [_spelled(symbols, one) for one in wanted]
    is_right = np.array([truth is None or " ".join(words) == truth[row] for row, (words, _) in enumerate(said)])
    sure = np.array([math.prod(each) for _, each in said])
    boxes, patches = sight.boxes.double().numpy(), sight.seen.numpy()
    taken: set[int] = set()
    for sort, rows, order in (
        ("surest" if truth is None else "surest, and right", is_right, -sure), ("surest, and wrong", ~is_right, -sure),
        ("least sure", sure >= 0, sure),
    ):  # fmt: skip
        for row in [one for one in np.argsort(order, kind="stable").tolist() if rows[one] and one not in taken][:_EACH]:
            taken.add(row)
            words = " ".join(said[row][0]) or "(nothing)"
            verdict = f"{sort}: said {words} ({sure[row]:.2f})"
            if truth is not None:
                verdict += ", which is right" if is_right[row] else f", it is {truth[row]}"
            which = f"{sort}, image {row}"
            seen = boxes[:, row], patches[:, row]
            yield Glimpses(which, verdict, images[row], *seen, symbols, chances[:, row], model.config.glimpses)


def _spelled(symbols: Sequence[str], numbers: NDArray[np.int64]) -> str:
    return " ".join(symbols[one] for one in numbers.tolist() if one >= 0 and symbols[one] != _END)


def _told_of_all(
    model: Beholder,
    about: AboutGlimpses,
    boxes: NDArray[np.float64],
    chances: NDArray[np.float64],
    wanted: NDArray[np.int64],
    asked: Asked,
) -> Sentence:
    """How much is right after each glimpse of an object, how far it goes from one to the next, how wide it looks."""
    each = model.config.glimpses
    of_steps = np.repeat(wanted, each, axis=1).T  # [T, B]
    is_right = (chances.argmax(axis=2) == of_steps).reshape(-1, each, len(wanted))
    real = (of_steps >= 0).reshape(is_right.shape)
    after = [float(is_right[:, step][real[:, step]].mean()) for step in range(each)]
    moved = np.diff(middles(boxes), axis=0)
    far = float(np.linalg.norm(moved, axis=2).mean()) if len(moved) else 0.0
    what = "objects and ends" if about.ends else "images"
    first = f"{after[0]:.0%} of {int(real[:, 0].sum()):,} {what} are"
    if asked.has_answers:
        text = f"{first} right after the first glimpse of them, {after[-1]:.0%} after the last of {each}"
    else:
        text = f"{first} after the first glimpse of them what they are said to be after the last of {each}"
    text += f"; from a glimpse to the next it goes {far:.1f} pixels in the mean"
    figures: dict[str, Any] = {"right": [round(one, 4) for one in after], "pixels": round(far, 2)}
    sides = boxes[:, :, 0, 2].mean(axis=1)
    if np.ptp(boxes[..., 0, 2]):
        text += f", and what it sees is {sides[0]:.1f} pixels wide at first, {sides[-1]:.1f} at last"
        figures["sides"] = sides.round(2).tolist()
    return Sentence("glimpses", text, figures)


def _told(one: Glimpses) -> Sentence:
    figures = {
        "path": one.path.round(2).tolist(), "symbols": list(one.symbols),
        "probabilities": one.chances.round(4).tolist(),
    }  # fmt: skip
    return Sentence("images", one.verdict, figures)


def _pictures(shown: Sequence[Glimpses]) -> Mapping[str, Any]:
    from unrolled.inspection.glimpse_figures import glimpses  # (plotly is slow to import, and seldom needed)

    return {f"Where it looked, and what it saw: {one.name}": glimpses(one) for one in shown}
