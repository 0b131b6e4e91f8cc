"""What is seen in a drawer while it draws: the canvas step by step, what each step says, units, gates, gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data import Examples
from unrolled.inspection import Costs, Growing, Label, Sentence, account_of, nearest
from unrolled.inspection import open as opened
from unrolled.models import Drawer, Drawing, evaluating
from unrolled.rounding import rounded
from unrolled.runs.tasks.draw_score import noise_of
from unrolled.runs.tasks.examples import spread
from unrolled.runs.tasks.examples_look import to_be_read
from unrolled.runs.tasks.kind import Asked, Seen
from unrolled.training import noise

_STEPS = 5_000  # of all images together
_FILMED = 8  # images whose canvases are shown
_IMAGINED = 16
_AT_ONCE = 10_000  # images among which the nearest is looked for


def look_at_drawings(model: Drawer, examples: Examples, name: str, asked: Asked) -> Seen:
    """Look at a model while it draws these images, or as many as are not too many steps."""
    strokes = model.config.steps
    examples = to_be_read(examples, min(asked.most, _STEPS), np.full(len(examples), strokes))
    with evaluating(model), torch.no_grad():
        given = examples.batch(np.arange(len(examples))).inputs[0]
        images = model.pixels(given)
        drawn_by = noise_of(model, given).to(images)
        drawn = model(images, drawn_by)
    asked.say("drawing")
    costs = _costs(drawn, images)
    lengths = [strokes] * len(images)
    labels = _labels(drawn)
    made = account_of(opened(model), images, drawn_by, labels=labels, lengths=lengths, say=asked.say)
    few = [_growing(drawn, row, f"{row + 1}", images) for row in spread(len(images), _FILMED).tolist()]
    steps = strokes * len(images)
    return Seen(f"{name}, {len(images)} images", steps, made, _told(costs), partial(_pictures, few, costs))


def imagined_pictures(
    model: Drawer, learned: Examples, seed: int
) -> tuple[list[Sentence], Callable[[], Mapping[str, Any]]]:
    """What it draws out of nothing, beside the nearest images that it has learned: a sentence, and the pictures."""
    with evaluating(model), torch.no_grad(), noise(seed, "sampling", 0, model.blank.device):
        drawn = model.imagined(model.noise(_IMAGINED))
    samples = [_growing(drawn, row, str(row + 1)) for row in range(_IMAGINED)]
    ends = [one.canvases[-1] for one in samples]
    starts = range(0, len(learned), _AT_ONCE)
    parts = (learned.batch(np.arange(start, min(start + _AT_ONCE, len(learned)))).inputs[0] for start in starts)
    found = nearest(ends, (_bytes(model.pixels(one)) for one in parts))
    differences = [_difference(one, other) for one, other in zip(ends, found, strict=True)]
    text = (
        f"{_IMAGINED} samples differ from the nearest images that were learned in {min(differences):.1%} to"
        f" {max(differences):.1%} of the brightness of their pixels"
    )
    figures = {"least": round(min(differences), 4), "most": round(max(differences), 4), "samples": _IMAGINED}
    return [Sentence("samples", text, figures)], partial(_pictures_of_samples, samples, found, differences)


def _pictures(few: Sequence[Growing], costs: Costs) -> Mapping[str, Any]:
    from unrolled.inspection import canvas_figures as made  # (plotly is slow to import, and seldom needed)

    return {
        "Images, and the canvas of each, step by step": made.film(few),
        "What z costs at each step (latent), and the pixels after it (reconstruction)": made.costs(costs),
    }


def _pictures_of_samples(
    samples: Sequence[Growing], found: Sequence[NDArray[np.uint8]], differences: Sequence[float]
) -> Mapping[str, Any]:
    from unrolled.inspection import canvas_figures as made

    hover = [f"{one:.1%} of the brightness differs" for one in differences]
    ends = [one.canvases[-1] for one in samples]
    return {
        "What it draws out of nothing, step by step": made.film(samples[:_FILMED]),
        "Samples, and below each the nearest image of those that it has learned": made.beside(ends, found, hover),
    }


def _costs(drawn: Drawing, images: Tensor) -> Costs:
    left = [drawn.reconstruction(images, step).mean() for step in range(len(drawn.canvases))]
    return Costs(drawn.latent().double().mean(dim=1).numpy(), torch.stack(left).double().numpy())


def _told(costs: Costs) -> list[Sentence]:
    latent, reconstruction, steps = float(costs.latent.sum()), float(costs.reconstruction[-1]), len(costs.latent)
    text = (
        f"an image costs {rounded(costs.whole, 1)} nats: {rounded(latent, 1)} say what is drawn (latent),"
        f" {rounded(reconstruction, 1)} the pixels that differ (reconstruction)"
    )
    figures = {"nats": round(costs.whole, 3), "latent": round(latent, 3), "reconstruction": round(reconstruction, 3)}
    if steps > 1:
        text += f"; half of the first was said after {costs.half} of {steps} steps"
        figures |= {"half": costs.half, "steps": steps}
    return [Sentence("drawing", text, figures)]


def _labels(drawn: Drawing) -> list[Label]:
    """Of each step of each image: its number, and how many nats its z costs."""
    latent = drawn.latent()  # [T, B]
    numbers = torch.arange(1, len(latent) + 1)[:, None].expand_as(latent)
    found = [
        Label("step", "which step of the drawing it is", numbers.T.reshape(-1).double().numpy()),
        Label("latent", "how many nats the z of the step costs", latent.T.reshape(-1).double().numpy()),
    ]
    return [one for one in found if one.varies]


def _growing(drawn: Drawing, row: int, name: str, images: Tensor | None = None) -> Growing:
    """One of the images that were drawn."""
    read, written = (
        np.array([window.boxes()[row].tolist() for window in windows]).reshape(-1, 4)
        for windows in (drawn.read, drawn.written)
    )
    image = None if images is None else _bytes(images[row])
    return Growing(name, image, _bytes(drawn.canvases[:, row].sigmoid()), read, written)


def _bytes(pixels: Tensor) -> NDArray[np.uint8]:
    """Numbers from 0 to 1 as bytes."""
    made: NDArray[np.uint8] = (pixels * 255).round().byte().cpu().numpy()
    return made


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The sum of what differs, over all the brightness that there is in both."""
    first, second = one.astype(np.float64), other.astype(np.float64)
    return float(np.abs(first - second).sum() / max(1.0, (first + second).sum()))
