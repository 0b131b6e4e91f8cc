"""The verb "draw": images that a drawer makes out of nothing. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.errors import ConfigError
from unrolled.models import Drawer, evaluating
from unrolled.runs.loading import loaded
from unrolled.runs.tasks.classes_score import check_finite
from unrolled.runs.tasks.draw_score import normal_noise
from unrolled.training import check_seed

_AT_ONCE = 200  # images that are drawn side by side
_MOST = 1_000_000


def draw(
    path: str | PathLike[str],
    count: int = 8,
    seed: int = 1,
    *,
    best: bool = False,
    average: int = 0,
    all_steps: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> NDArray[np.uint8]:
    """Images that a run of `--task draw` makes out of nothing: uint8 `[count, C, height, width]`.

    How likely a pixel is to be bright, of 255. The same image for the same seed and number, however many are drawn.
    `all_steps`: the canvas as it grows, `[count, 1 + T, C, height, width]`: blank, and after each of T strokes; the
    last is the image. `best`, `average`: which weights, see `load`.

    Raises:
        RunError: not a run, or one whose numbers are not finite. ConfigError: one that does not draw, or another count
            or seed.
    """
    if not 1 <= count <= _MOST:
        raise ConfigError(f"count {count}: give the number of images to draw, from 1 to {_MOST:,}")
    check_seed(seed)
    run = loaded(path, best=best, average=average, warn=warn)
    if not isinstance(run.model, Drawer):
        raise ConfigError(f"{path} does not draw: it was trained with --task {run.config.task}")
    drawn = []
    with evaluating(run.model), torch.no_grad():
        for start in range(0, count, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, count))
            made = normal_noise(run.model, [(seed, number) for number in numbers]).to(run.model.blank)
            canvases = run.model.imagined(made).canvases  # [1 + T, B, C, height, width]
            bright = (canvases.transpose(0, 1) if all_steps else canvases[-1]).sigmoid().cpu()
            check_finite("images", bright.flatten(1).double().numpy())
            drawn.append((bright * 255).round().byte().numpy())
    return np.concatenate(drawn)
