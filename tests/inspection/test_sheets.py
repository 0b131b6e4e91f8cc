"""Images on a sheet: where each lies, what is shown of it, what the axes show."""

import numpy as np
import pytest

from unrolled.inspection.sheets import Sheet, apart, coloured, thinned

SHEET = Sheet(height=3, width=5, columns=4, gap=2, below=7, beside=1)  # oblong: a side taken for the other is found out


def test_where_images_lie():
    assert SHEET.size(rows=2) == (2 * (3 + 7 + 2) + 2, 4 * (5 + 1 + 2) + 2)
    assert [SHEET.corner(number) for number in (0, 1, 4, 6)] == [(2, 2), (2, 10), (14, 2), (14, 18)]
    assert SHEET.under(6) == (18 + 2, 14 + 2.5), "across and down, as a figure has it"
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((3, 5, 3), np.uint8)
    sheet = SHEET.pixels(images, [0, 6, 3])
    assert sheet.shape == (26, 34, 3)
    for image, (top, left) in zip(images, [(2, 2), (14, 18), (2, 26)], strict=True):
        assert (sheet[top : top + 3, left : left + 5] == image).all()
        framed = sheet[top - 1 : top + 4, left - 1 : left + 6]
        assert (framed == 190).sum() == 3 * (5 * 7 - 3 * 5)
    assert (sheet == 255).sum() == sheet.size - 3 * 5 * 7 * 3, "the rest is white"
    assert SHEET.pixels(images).shape == (14, 34, 3)


def test_how_large_a_sheet_is_on_the_page():
    """It has 34 x 26 pixels: ten times as wide an image has 50, and is not to be wider than 25."""
    assert (SHEET.scale(340), SHEET.tall(rows=2, width=340)) == (10, 260)
    assert (SHEET.scale(340, 25), SHEET.tall(2, 340, 25)) == (5, 130)
    assert (SHEET.scale(340, 60), SHEET.tall(2, 340, 60)) == (10, 260), "it is enlarged to the width only"
    tall = Sheet(height=50, width=1, columns=4)
    assert (tall.scale(140), tall.scale(140, 150)) == (10, 3), "nor is it to be higher"


def test_large_images_are_thinned_along_both_sides():
    images = np.arange(2 * 1 * 6 * 10).reshape(2, 1, 6, 10)
    assert (apart(images, 10), apart(images, 9), apart(images, 3)) == (1, 2, 4)
    assert thinned(images, 9).shape == (2, 1, 3, 5)
    assert (thinned(images, 9) == images[:, :, ::2, ::2]).all()


@pytest.mark.parametrize(
    ("limits", "wanted"), [((0.0, 255.0), [0, 51, 255]), ((-1.0, 101.0), [0, 130, 255]), (None, [0, 43, 255])]
)
def test_brightness(limits, wanted):
    image = np.array([-3.0, 51.0, 318.0]).reshape(1, 1, 1, 3)
    assert coloured(image, limits)[0, 0].tolist() == [[one] * 3 for one in wanted]


def test_colours_are_kept_and_other_channels_are_grey():
    three = np.array([10, 20, 30], np.uint8).reshape(1, 3, 1, 1)
    assert coloured(three)[0, 0, 0].tolist() == [10, 20, 30]
    assert coloured(three[:, :2])[0, 0, 0].tolist() == [15, 15, 15]
