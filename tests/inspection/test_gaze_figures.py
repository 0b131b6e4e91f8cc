"""Where a captioner looked, as pictures: the image, and below it what stood out before each piece."""

import html
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.inspection.pixels import pixels_of
from unrolled.inspection.gaze import Gaze
from unrolled.inspection.gaze_figures import Captured, gallery, gazes

HEIGHT, WIDTH = 4, 6
ACROSS = WIDTH + round(0.15 * WIDTH) + 2
SCALE = 540 / (5 * ACROSS + 2)  # pixels of the page for one of the sheet
PALE = 232
PIECES = [f"<{number}>" for number in range(7)]


@pytest.fixture
def gaze():
    """Seven pieces; before each another one of six places was looked at, and before the last all alike."""
    weights = np.zeros((7, 2, 3), np.float32)
    weights.reshape(7, 6)[np.arange(6), np.arange(6)] = 1.0
    weights[6] = 1 / 6
    return Gaze("1: it", "it <b>", np.full((1, HEIGHT, WIDTH), 100, np.uint8), PIECES, weights)


def down(lines):
    """From a row of images to the next one, with so many lines of 15 pixels below each, and 5 above and below these."""
    return HEIGHT + math.ceil((15 * lines + 10) / SCALE) + 2


def image(sheet, row, column, lines=1):
    """What lies there."""
    top, left = 2 + row * down(lines), 2 + column * ACROSS
    return pixels_of(sheet)[top : top + HEIGHT, left : left + WIDTH]


def test_what_was_looked_at_stands_out(gaze):
    figure = gazes([gaze])
    sheet, labels = figure.data
    assert pixels_of(sheet).shape == (2 * down(1) + 2, 5 * ACROSS + 2, 3)
    assert (image(sheet, 0, 0) == 100).all(), "the image comes first"
    assert (image(sheet, 1, 3) == 255).all(), "eight pictures in two rows of five"
    for number in range(6):
        shown = image(sheet, *divmod(1 + number, 5)).astype(int)
        reddish = shown[..., 0] - shown[..., 2]
        lit = reddish.reshape(2, 2, 3, 2).mean(axis=(1, 3)).ravel()
        assert lit.argmax() == number
        assert (np.delete(lit, number) == 0).all()
    assert (image(sheet, 1, 2) == PALE).all(), "nothing stands out where all places count alike"
    assert list(labels.text) == list(labels.hovertext) == ["", *(f"&lt;{number}&gt;" for number in range(7))]
    middles = [2 + column * ACROSS + (WIDTH - 1) / 2 for column in (0, 1, 2, 3, 4, 0, 1, 2)]
    assert list(labels.x) == middles
    below = [2 + row * down(1) + HEIGHT - 0.5 + 5 / SCALE for row in (0, 0, 0, 0, 0, 1, 1, 1)]
    np.testing.assert_allclose(labels.y, below)
    assert "<b>" not in figure.layout.annotations[0].text
    assert not figure.layout.sliders


def test_of_a_long_piece_sixteen_letters_are_seen(gaze):
    piece = "incomprehensibilities & <more>"
    labels = gazes([replace(gaze, pieces=[piece, *PIECES[1:]])]).data[1]
    assert (labels.text[1], labels.hovertext[1]) == ("incomprehensibi\u2026", html.escape(piece))
    assert labels.hoverinfo == "text"


def test_a_slider_goes_from_image_to_image(gaze):
    """What is long takes room from the start, and nothing else moves when the slider does."""
    long = replace(
        gaze, name="2", title="a wave " * 50, pieces=[*PIECES, *PIECES], weights=np.tile(gaze.weights, (2, 1, 1))
    )
    short, tall = gazes([gaze]).layout, gazes([gaze, long])
    (slider,) = tall.layout.sliders
    assert [one.args[0] for one in slider.steps] == [("1: it",), ("2",)]
    assert (slider.currentvalue.prefix, slider.active) == ("image ", 0)
    assert tall.layout.annotations[0].text == tall.frames[0].layout.annotations[0].text == "it &lt;b&gt;"
    assert [one.name for one in tall.frames] == ["1: it", "2"]
    assert slider.ticklen == slider.minorticklen, "all ticks are alike"
    assert (slider.y, slider.yanchor) == (1, "bottom")
    of_long = tall.frames[1].data[0]
    assert (image(of_long, 2, 4) == PALE).all(), "an image and fourteen pieces: three rows of five"
    assert tall.layout.yaxis.range[0] == 3 * down(1) + 2 - 0.5
    assert tall.frames[1].layout.annotations[0].text.count("<br>") == 2
    assert tall.frames[1].layout.annotations[0].text.endswith("\u2026")
    rows = round(SCALE * (3 * down(1) + 2)) - round(SCALE * (2 * down(1) + 2))
    assert tall.layout.height - short.height == rows + 2 * 19 + 75, "two lines of a title, and the slider"


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
    shown[4:] = [replace(shown[4], said="", truth="", is_right=None), replace(shown[5], said="", truth="<i>")]
    sheet, labels = gallery(shown).data
    for number in range(6):
        assert (image(sheet, number // 5, number % 5, lines=2) == number).all()
    right, wrong, unknown = "#0072b2", "#d55e00", "#1f2328"
    assert list(zip(labels.text, labels.hovertext, labels.textfont.color, strict=True)) == [
        ("s0", "s0", right),
        ("s1<br><i>is</i> it", "s1<br>is it", wrong),
        ("s2", "s2", right),
        ("s3<br><i>is</i> it", "s3<br>is it", wrong),
        ("(nothing)", "(nothing)", unknown),
        ("(nothing)<br><i>is</i> &lt;i&gt;", "(nothing)<br>is &lt;i&gt;", wrong),
    ]
    assert labels.hoverinfo == "text"


def test_what_is_long_stands_in_lines_that_do_not_touch():
    """Of 16 letters at most, three of what was said and three of what is right; who points at it reads all of it."""
    pixels = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    said, truth = "a man who rides a wave on top of a surfboard & <more>", "incomprehensibilities"
    figure = gallery([Captured(pixels, said, truth, False), Captured(pixels, "it", "it", True)])
    sheet, labels = figure.data
    lines = labels.text[0].split("<br>")
    assert lines == [
        "a man who rides", "a wave on top of", "a surfboard &amp; &lt;\u2026", "<i>is</i> incomprehensi", "bilities",
    ]  # fmt: skip
    assert max(len(html.unescape(re.sub("</?i>", "", one))) for one in lines) <= 16
    assert labels.hovertext[0] == f"{html.escape(said)}<br>is {truth}"
    assert labels.text[1] == labels.hovertext[1] == "it"
    assert pixels_of(sheet).shape[0] == down(5) + 2
    assert figure.layout.height == 10 + round(SCALE * (down(5) + 2)) + 10, "no taller than what stands in it"
