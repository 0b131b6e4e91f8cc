"""Sheets and films for files: every image on its place, enlarged by a whole factor, and how large all becomes."""

import numpy as np
import pytest

from unrolled.inspection import albums
from unrolled.inspection.albums import album_of, columns_for, film_of, sheet_of
from unrolled.inspection.sheets import coloured

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
    sheet = sheet_of(IMAGES)
    for number, image in enumerate(IMAGES.reshape(15, 4, 6)):
        assert (found(sheet, number, 3) == image[..., None]).all()


def test_a_film_shows_a_step_after_the_other():
    film = list(film_of(IMAGES))
    assert len(film) == 3
    for step, sheet in enumerate(film):
        assert (sheet == sheet_of(IMAGES[:, step])).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_colours_stay_and_of_other_channels_it_is_the_mean(channels):
    image = np.random.default_rng(1).integers(0, 256, (1, channels, 4, 6), dtype=np.uint8)
    shown = found(sheet_of(image), 0, 1).astype(int)
    assert np.abs(shown - coloured(image)[0]).max() <= (channels == 2), "a half is rounded either way"


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        ((1, 1, 2, 2), 8),
        ((1, 1, 340, 9), 3),  # 2 + 3 * 340 + 2 are 1,024
        ((1, 1, 341, 9), 2),
        ((1, 1, 9, 340), 3),
        ((1, 1, 9, 341), 2),
        ((10_000, 1, 28, 28), 1),
        ((1, 1, 9, 2000), 1),
    ],
)
def test_a_sheet_of_small_images_is_enlarged_as_far_as_it_stays_small(shape, times):
    assert album_of(shape, is_film=False).times == times


@pytest.mark.parametrize("is_film", [False, True])
@pytest.mark.parametrize("shape", [(7, 1, 4, 6), (7, 3, 1, 4, 6), (7, 1, 1, 400, 3), (1, 40, 1, 9, 9)])
def test_how_large_all_becomes_is_known_before(shape, is_film):
    images = np.zeros(shape, dtype=np.uint8)
    album = album_of(shape, is_film=is_film)
    sheets = list(film_of(images)) if is_film and len(shape) == 5 else [sheet_of(images)]
    assert [sheet.shape[:2] for sheet in sheets] == album.sheets * [album.size(album.times)]
    assert album.pixels(album.times) == sum(sheet.size // 3 for sheet in sheets)


def test_all_sheets_of_a_film_together_are_enlarged_as_far_as_there_is_room(monkeypatch):
    shape = (5, 3, 1, 4, 6)
    monkeypatch.setattr(albums, "MOST", 3 * (4 * 3 + 4) * (2 + 5 * (6 * 3 + 2)))
    assert album_of(shape, is_film=True).times == 3
    monkeypatch.setattr(albums, "MOST", albums.MOST - 1)
    assert album_of(shape, is_film=True).times == 2
    monkeypatch.setattr(albums, "MOST", 1)
    assert album_of(shape, is_film=True).times == 1
    assert next(film_of(IMAGES)).shape == (4 + 4, 2 + 5 * 8, 3), "none is made smaller"
