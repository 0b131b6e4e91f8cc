"""Images of 60 x 60 pixels with one handwritten digit somewhere, or with two: made of real digits. Knows no models.

"Translated MNIST" of Mnih et al. 2014, and the pairs of Ba et al. 2015 in an image of that size. Two digits stand one
left of the other, so that no column has pixels of both, and are told from left to right.

The digits that are learned are fewer than a network could learn by heart: each is there several times, turned, slanted
and stretched a little, as in `moving_digits`. Those of the tests are others, and stand there as they were written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.digits import LEARNED, digits_of, of_digits, packed
from unrolled.data.fetching import MEASURE
from unrolled.data.images import Pixels
from unrolled.data.moving_digits import varied

_SIDE = 60  # pixels
_COPIES = 5  # of each digit that is learned
_GAP = 1  # columns at least between two digits

Labels = NDArray[np.int64]


def translated(digits: Pixels, seed: int) -> Pixels:
    """Digits `[N, height, width]`, each somewhere in an image of its own, `[N, 60, 60]`."""
    numbers = np.random.default_rng(seed)
    made = np.zeros((len(digits), _SIDE, _SIDE), dtype=np.uint8)
    for image, digit in zip(made, digits, strict=True):
        row, column = numbers.integers(0, _SIDE + 1 - np.array(digit.shape)).tolist()
        _put(image, digit, row, column)
    return made


def pairs(digits: Pixels, labels: Labels, count: int, seed: int) -> tuple[Pixels, Labels]:
    """So many images of two digits each, `[count, 60, 60]`, and what they are from left to right, `[count, 2]`."""
    numbers = np.random.default_rng(seed)
    made = np.zeros((count, _SIDE, _SIDE), dtype=np.uint8)
    chosen = numbers.integers(len(digits), size=(count, 2))
    for image, pair in zip(made, chosen, strict=True):
        left, right = (_cut(digits[place]) for place in pair)
        room = _SIDE - left.shape[1] - right.shape[1] - _GAP
        start, more = sorted(numbers.integers(0, room + 1, 2).tolist())
        for digit, column in ((left, start), (right, more + left.shape[1] + _GAP)):
            _put(image, digit, int(numbers.integers(0, _SIDE + 1 - len(digit))), column)
    return made, labels[chosen]


def _cut(digit: Pixels) -> Pixels:
    """What is not black of a digit."""
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _put(image: Pixels, digit: Pixels, row: int, column: int) -> None:
    image[row : row + len(digit), column : column + digit.shape[1]] = digit


def _translated(part: slice, copies: int, seed: int) -> Callable[[Path], Iterator[bytes]]:
    def make(folder: Path) -> Iterator[bytes]:
        digits, labels = _some(folder, part, copies)
        yield packed(translated(digits, seed), labels)

    return make


def _pairs(part: slice, copies: int, count: int, seed: int) -> Callable[[Path], Iterator[bytes]]:
    def make(folder: Path) -> Iterator[bytes]:
        yield packed(*pairs(*_some(folder, part, copies), count, seed))

    return make


def _some(folder: Path, part: slice, copies: int) -> tuple[Pixels, Labels]:
    """Some of the digits, and what they are: as they were written, or in so many copies that were changed."""
    digits, labels = digits_of(folder)
    if not copies:
        return digits[part], labels[part]
    return varied(digits[part], copies, seed=3), np.tile(labels[part], copies)


_FIRST, _OTHERS = slice(LEARNED), slice(LEARNED, None)
_USE = "unrolled train {name} --task glimpse"

PLACED = (
    of_digits("translated-digits", "20,000 images with a digit somewhere", _translated(_FIRST, _COPIES, seed=1), _USE),
    of_digits(
        "translated-digits-test", "1,000 of other digits, to measure by", _translated(_OTHERS, 0, seed=2), MEASURE
    ),
    of_digits(
        "digit-pairs",
        "20,000 images with two digits",
        _pairs(_FIRST, _COPIES, 20_000, seed=1),
        f"{_USE} --network dram",
    ),
    of_digits("digit-pairs-test", "1,000 of other digits, to measure by", _pairs(_OTHERS, 0, 1_000, seed=2), MEASURE),
)
