"""Where a captioner looked, as pictures: the image, and below it what stood out before each piece."""

import numpy as np
import pytest

from unrolled.inspection.gaze import Gaze
from unrolled.inspection.gaze_figures import Captured, gallery, gazes

HEIGHT, WIDTH = 4, 6
DOWN, ACROSS = HEIGHT + round(0.7 * WIDTH) + 2, WIDTH + round(0.15 * WIDTH) + 2
PIECES = [f"<{number}>" for number in range(7)]


@pytest.fixture
def gaze():
    """Seven pieces; before each another one of six places was looked at, and before the last all alike."""
    weights = np.zeros((7, 2, 3), np.float32)
    weights.reshape(7, 6)[np.arange(6), np.arange(6)] = 1.0
    weights[6] = 1 / 6
    return Gaze("1: it", "it <b>", np.full((1, HEIGHT, WIDTH), 100, np.uint8), PIECES, weights)


def image(sheet, row, column):
    """What lies there."""
    top, left = 2 + row * DOWN, 2 + column * ACROSS
    return np.array(sheet.z)[top : top + HEIGHT, left : left + WIDTH]


def test_what_was_looked_at_stands_out(gaze):
    figure = gazes([gaze])
    sheet, labels = figure.data
    assert np.array(sheet.z).shape == (3 * DOWN + 2, 5 * ACROSS + 2, 3)
    assert (image(sheet, 0, 0) == 100).all(), "the image has the first row to itself"
    assert (image(sheet, 0, 1) == 255).all()
    for number in range(6):
        shown = image(sheet, 1 + number // 5, number % 5).astype(int)
        reddish = shown[..., 0] - shown[..., 2]
        lit = reddish.reshape(2, 2, 3, 2).mean(axis=(1, 3)).ravel()
        assert lit.argmax() == number
        assert (np.delete(lit, number) == 0).all()
    assert (image(sheet, 2, 1) == 232).all(), "nothing stands out where all places count alike"
    assert list(labels.text) == ["", *(f"&lt;{number}&gt;" for number in range(7))]
    middles = [2 + column * ACROSS + (WIDTH - 1) / 2 for column in (0, 0, 1, 2, 3, 4, 0, 1)]
    assert list(labels.x) == middles
    rows = [round((one - 2) // DOWN) for one in labels.y]
    assert rows == [0, 1, 1, 1, 1, 1, 2, 2]
    assert "<b>" not in figure.layout.title.text


def test_how_much_more_than_evenly():
    """Of 16 places: even is 1/16, and eight times that is all that can be seen."""
    weights = np.full((1, 4, 4), 0.0, np.float32)
    weights[0, 0, :3] = [1 / 16, 4.5 / 16, 10 / 16]
    shown = Gaze("it", "it", np.zeros((1, 4, 4), np.uint8), ["x"], weights).enlarged()
    np.testing.assert_allclose(shown[0, 0], [0, 0.5, 1, 0], atol=1e-6)
    assert (shown[0, 1:] == 0).all()


def test_said_and_right(gaze):
    images = [np.full((1, HEIGHT, WIDTH), shade, np.uint8) for shade in range(6)]
    shown = [Captured(image, f"s{shade}", "it", shade % 2 == 0) for shade, image in enumerate(images)]
    sheet, labels = gallery(shown).data
    for number in range(6):
        assert (image(sheet, number // 5, number % 5) == number).all()
    assert list(labels.text[:2]) == ["s0", "s1<br><i>is</i> it"]
    assert len(set(labels.textfont.color)) == 2
