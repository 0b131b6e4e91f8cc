"""Videos of a handwritten digit that moves among pieces of others, with a label for each frame: made of real digits.

A digit of 14 x 14 pixels flies over 32 x 32 and bounces off the borders. Around it lie pieces of other digits, at other
places in each frame; in a quarter of the frames, but not the first one, the digit is hidden, and only the pieces are
there. Once on the way another digit takes its place. The label is the digit that was seen last: who looks at frames one
by one cannot know it where it is hidden. (After Mnih et al. 2014, "cluttered translated MNIST".)

The digits of the test's videos are in none that are learned, and stand there as they were written. Those that are
learned are fewer than a network could learn by heart: each is there several times, turned, slanted and stretched a
little (as LeCun et al. 1998 did).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from unrolled.data.digits import LEARNED, digits_of, of_digits, packed

_SIDE, _DIGIT, _PIECE = 32, 14, 5  # pixels
_STEPS, _PIECES, _HIDDEN = 20, 3, 0.25
_COPIES = 5
_TURN, _SLANT, _STRETCH = 0.25, 0.2, 0.15  # at most: radians, columns a row, share of the size

Images = NDArray[np.uint8]


def varied(images: Images, copies: int, seed: int) -> Images:
    """Digits `[N, height, width]` so many times, `[copies * N, height, width]`, each one changed a little.

    It is turned, slanted and stretched around its middle, by amounts drawn evenly up to those above.
    """
    numbers = np.random.default_rng(seed)
    angle, slant, *stretch = numbers.uniform(-1, 1, (4, copies * len(images))) * [[_TURN], [_SLANT], *[[_STRETCH]] * 2]
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    shaped = np.array([[1 + stretch[0], slant], [np.zeros_like(slant), 1 + stretch[1]]]).transpose(2, 0, 1)
    matrices = torch.from_numpy(np.pad(turned @ shaped, [(0, 0), (0, 0), (0, 1)])).float()  # (and moved by nothing)
    pixels = torch.from_numpy(np.tile(images, (copies, 1, 1)))[:, None].float()
    where = F.affine_grid(matrices, list(pixels.shape), align_corners=False)
    changed: Images = F.grid_sample(pixels, where, align_corners=False)[:, 0].numpy().astype(np.uint8)
    return changed


def videos(images: Images, labels: NDArray[np.int64], count: int, seed: int) -> dict[str, NDArray[Any]]:
    """So many videos `x` `[N, T, height, width]` of these digits, and the label of each frame, `y` `[N, T]`."""
    numbers = np.random.default_rng(seed)
    small = images.reshape(-1, _DIGIT, 2, _DIGIT, 2).mean(axis=(2, 4)).astype(np.uint8)
    made = [_video(small, labels, numbers) for _ in range(count)]
    return {"x": np.stack([video for video, _ in made]), "y": np.stack([label for _, label in made])}


def _video(digits: Images, labels: NDArray[np.int64], numbers: np.random.Generator) -> tuple[Images, NDArray[np.int64]]:
    video = np.zeros((_STEPS, _SIDE, _SIDE), dtype=np.uint8)
    truth = np.zeros(_STEPS, dtype=np.int64)
    shown = int(numbers.integers(len(digits)))
    change = int(numbers.integers(5, _STEPS - 3))
    room = _SIDE - _DIGIT
    place, speed = numbers.uniform(0, room, 2), numbers.uniform(-3, 3, 2)
    for step in range(_STEPS):
        if step == change:
            shown = int(numbers.integers(len(digits)))
        is_hidden = step not in (0, change) and numbers.random() < _HIDDEN
        for _ in range(_PIECES):
            _put(video[step], _piece(digits, numbers), numbers.integers(0, _SIDE - _PIECE, 2))
        if not is_hidden:
            _put(video[step], digits[shown], place.round().astype(np.int64))
        truth[step] = labels[shown]
        speed = np.where((place + speed < 0) | (place + speed > room), -speed, speed)
        place = np.clip(place + speed, 0, room)
    return video, truth


def _piece(digits: Images, numbers: np.random.Generator) -> Images:
    """A piece of any digit."""
    row, column = numbers.integers(0, _DIGIT - _PIECE, 2)
    return digits[numbers.integers(len(digits)), row : row + _PIECE, column : column + _PIECE]


def _put(frame: Images, image: Images, place: NDArray[np.int64]) -> None:
    """Lay an image into a frame; the lighter pixel shows."""
    row, column = place
    part = frame[row : row + len(image), column : column + image.shape[1]]
    np.maximum(part, image, out=part)


def _learned(folder: Path) -> Iterator[bytes]:
    images, labels = digits_of(folder)
    many = varied(images[:LEARNED], _COPIES, seed=3)
    yield packed(**videos(many, np.tile(labels[:LEARNED], _COPIES), 5_000, seed=1))


def _measured(folder: Path) -> Iterator[bytes]:
    images, labels = digits_of(folder)
    yield packed(**videos(images[LEARNED:], labels[LEARNED:], 500, seed=2))


_USE = "unrolled train {name} --task tag"

VIDEOS = (
    of_digits("moving-digits", "5,000 videos of moving digits, a label a frame", _learned, _USE),
    of_digits("moving-digits-test", "500 videos of other digits, to measure by", _measured, _USE),
)
