"""The verb "draw": images that a drawer makes out of nothing. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.errors import ConfigError
from unrolled.models import Drawer, evaluating
from unrolled.runs.loading import loaded
from unrolled.runs.saved_images import STEPS, check_images_place, is_film, save_images
from unrolled.runs.tasks.blocks import in_blocks
from unrolled.runs.tasks.classes_score import check_finite
from unrolled.runs.tasks.draw_score import normal_noise
from unrolled.training import check_seed

_AT_ONCE = 200  # images that are drawn side by side
_MOST = 1_000_000

Images = NDArray[np.uint8]
Warn = Callable[[str], None]


def draw(
    path: str | PathLike[str],
    count: int = 8,
    seed: int = 1,
    *,
    best: bool = False,
    average: int = 0,
    all_steps: bool = False,
    warn: Warn = lambda _: None,
) -> Images:
    """Images that a run of `--task draw` makes out of nothing: uint8 `[count, C, height, width]`.

    How likely a pixel is to be bright, of 255. The same image for the same seed and number, however many are drawn.
    `all_steps`: the canvas as it grows, `[count, 1 + T, C, height, width]`: blank, and after each of T strokes; the
    last is the image. `best`, `average`: which weights, see `load`.

    Raises:
        RunError: not a run, or one whose numbers are not finite. ConfigError: one that does not draw, or another count
            or seed.
    """
    drawer = _drawer(path, count, seed, best=best, average=average, warn=warn)
    return _drawn(drawer, _shape(drawer, count, all_steps=all_steps), seed)


def draw_to(
    place: Path,
    path: str | PathLike[str],
    count: int = 8,
    seed: int = 1,
    *,
    best: bool = False,
    average: int = 0,
    all_steps: bool = False,
    warn: Warn = lambda _: None,
) -> Path:
    """What `draw` makes, written as `save_images` writes it; a film always shows all steps. Returns the file.

    That it can be written is found out before anything is drawn.

    Raises:
        RunError, ConfigError: see `draw`, and `save_images`.
    """
    drawer = _drawer(path, count, seed, best=best, average=average, warn=warn)
    shape = _shape(drawer, count, all_steps=all_steps or is_film(place))
    check_images_place(place, shape)
    return save_images(_drawn(drawer, shape, seed), place)


def in_letters(images: Images, columns: int | None = None) -> str:
    """Drawn images `[N, C, height, width]` as text, side by side in so many letters; None: in one row.

    Of all steps `[N, T, C, height, width]`, each image begins with its number, and below each step stands its own.
    """
    if images.ndim < STEPS:
        return in_blocks(images / 255, columns)
    steps = [str(step) for step in range(images.shape[1])]
    return "\n\n".join(
        f"image {number}\n{in_blocks(one / 255, columns, steps)}" for number, one in enumerate(images, start=1)
    )


def _drawer(path: str | PathLike[str], count: int, seed: int, *, best: bool, average: int, warn: Warn) -> Drawer:
    """The model of a run that draws."""
    if not 1 <= count <= _MOST:
        raise ConfigError(f"count {count}: give the number of images to draw, from 1 to {_MOST:,}")
    check_seed(seed)
    run = loaded(path, best=best, average=average, warn=warn)
    if not isinstance(run.model, Drawer):
        raise ConfigError(f"{path} does not draw: it was trained with --task {run.config.task}")
    return run.model


def _shape(drawer: Drawer, count: int, *, all_steps: bool) -> tuple[int, ...]:
    """Of so many images, or of all steps of them."""
    canvases = (1 + drawer.config.steps,) if all_steps else ()
    return count, *canvases, *drawer.config.shape


def _drawn(drawer: Drawer, shape: tuple[int, ...], seed: int) -> Images:
    """Images of this shape."""
    drawn = np.empty(shape, dtype=np.uint8)
    with evaluating(drawer), torch.no_grad():
        for start in range(0, len(drawn), _AT_ONCE):
            some = drawn[start : start + _AT_ONCE]
            made = normal_noise(drawer, [(seed, start + number) for number in range(len(some))]).to(drawer.blank)
            canvases = drawer.imagined(made).canvases  # [1 + T, B, C, height, width]
            logits = canvases.transpose(0, 1) if drawn.ndim == STEPS else canvases[-1]
            check_finite("images", logits.flatten(1).double().cpu().numpy())  # (the sigmoid of infinity is 1)
            some[:] = (logits.sigmoid() * 255).round().byte().cpu().numpy()
    return drawn
