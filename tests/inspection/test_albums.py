"""Sheets and films for files: every image on its place, enlarged or thinned by a whole factor."""

import numpy as np
import pytest

from unrolled.inspection import albums
from unrolled.inspection.albums import columns_for, film_of, rows_of, sheet_of

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 1, 4, 6), dtype=np.uint8)  # [N, T, C, height, width]


def found(sheet, number, columns, times=8):
    """The image of a number on a sheet, as small as it was."""
    row, column = divmod(number, columns)
    top, left = 2 + row * (4 * times + 2), 2 + column * (6 * times + 2)
    enlarged = sheet[top : top + 4 * times, left : left + 6 * times]
    small = enlarged[::times, ::times]
    assert (enlarged == small.repeat(times, axis=0).repeat(times, axis=1)).all(), "each pixel is a square"
    return small


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 5), (7, 4), (8, 4), (10, 5), (16, 4), (10_000, 100)]
)
def test_columns_leave_few_gaps(count, columns):
    assert columns_for(count) == columns


def test_a_sheet_shows_every_image():
    sheet = sheet_of(IMAGES[:, -1])
    assert sheet.shape == (2 + 4 * 8 + 2, 2 + 5 * (6 * 8 + 2), 3)
    for number, image in enumerate(IMAGES[:, -1, 0]):
        assert (found(sheet, number, 5) == image[..., None]).all()


def test_every_image_has_a_row_for_its_steps():
    sheet = rows_of(IMAGES)
    for number, image in enumerate(IMAGES.reshape(15, 4, 6)):
        assert (found(sheet, number, 3) == image[..., None]).all()


def test_a_film_shows_a_step_after_the_other():
    film = list(film_of(IMAGES))
    assert len(film) == 3
    for step, sheet in enumerate(film):
        assert (sheet == sheet_of(IMAGES[:, step])).all()


def test_colours_stay():
    image = np.random.default_rng(1).integers(0, 256, (1, 3, 4, 6), dtype=np.uint8)
    assert (found(sheet_of(image), 0, 1) == image[0].transpose(1, 2, 0)).all()


def test_many_are_not_enlarged_and_large_ones_are_thinned(monkeypatch):
    many = np.zeros((10_000, 1, 28, 28), dtype=np.uint8)
    assert sheet_of(many).shape == (2 + 100 * 30, 2 + 100 * 30, 3)
    monkeypatch.setattr(albums, "_MOST", 5 * 3 * 9)
    assert [one.shape for one in film_of(IMAGES)] == [(2 + 2 * 8 + 2, 2 + 5 * (3 * 8 + 2), 3)] * 3
