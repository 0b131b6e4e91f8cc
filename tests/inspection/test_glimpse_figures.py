"""Glimpses as a picture: boxes and the path lie where the sensor looked, what was seen stands in its order."""

from dataclasses import replace

import numpy as np
import pytest

from unrolled.inspection.glimpse_figures import glimpses
from unrolled.inspection.glimpses import Glimpses

SYMBOLS = [f"<{one}>" for one in range(20)]


@pytest.fixture
def shown():
    """Three glimpses of two patches; each patch has a brightness of its own."""
    boxes = np.array([[[2, 3, 4], [0, 1, 8]], [[-1, 5, 4], [-3, 3, 8]], [[6, 0, 4], [4, -2, 8]]])
    seen = np.arange(6, dtype=np.float32).reshape(3, 2, 1, 1, 1) * 51 * np.ones((3, 2, 1, 4, 4), np.float32)
    chances = np.random.default_rng(0).dirichlet(np.ones(20), size=3)
    return Glimpses("one", "said <b>", np.zeros((1, 10, 12), np.float32), boxes, seen, SYMBOLS, chances, 3)


def test_boxes_and_the_path(shown):
    figure = glimpses(shown)
    boxes = [one for one in figure.data if one.type == "scatter" and one.mode == "lines"]
    wanted = [*shown.boxes[:, 0].tolist(), *shown.boxes[-1, 1:].tolist()]  # the finest of each, all of the last
    assert [(min(one.x) + 0.5, min(one.y) + 0.5, max(one.x) - min(one.x)) for one in boxes] == list(map(tuple, wanted))
    assert all(max(one.y) - min(one.y) == max(one.x) - min(one.x) for one in boxes)
    (path,) = (one for one in figure.data if one.type == "scatter" and "markers" in one.mode)
    assert np.array([path.x, path.y]).T.tolist() == (shown.path - 0.5).tolist() == [[3.5, 4.5], [0.5, 6.5], [7.5, 1.5]]


def test_a_window_lies_between_pixels(shown):
    """One patch a glimpse, at places that are no whole numbers: in an image of 10 x 12, and beyond it."""
    boxes = np.array([[[0.75, -0.25, 10.5]], [[3.128, 4.5, 2.0]], [[11.0, -1.5, 0.0]]])
    figure = glimpses(replace(shown, boxes=boxes, seen=shown.seen[:, :1]))
    first, second, last = (one for one in figure.data if one.type == "scatter" and one.mode == "lines")
    assert (list(first.x), list(first.y)) == ([0.25, 10.75, 10.75, 0.25, 0.25], [-0.75, -0.75, 9.75, 9.75, -0.75])
    assert (list(second.x)[:2], list(second.y)[1:3]) == ([2.63, 4.63], [4.0, 6.0])
    assert (set(last.x), set(last.y)) == ({10.5}, {-2.0})
    (path,) = (one for one in figure.data if one.type == "scatter" and "markers" in one.mode)
    assert np.array([path.x, path.y]).T.tolist() == [[5.5, 4.5], [3.63, 5.0], [10.5, -2.0]]
    assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == ((-0.5, 11.5), (9.5, -0.5))


def test_what_is_brighter_than_an_image_is_white(shown):
    _, mosaic = (one for one in glimpses(replace(shown, seen=shown.seen * 4)).data if one.type == "image")
    pixels = np.array(mosaic.z)
    brightness = [pixels[1 + scale * 5, 1 + step * 5, 0] for step in range(3) for scale in range(2)]
    assert brightness == [0, 51, 102, 153, 204, 255]
    _, dark = (one for one in glimpses(replace(shown, seen=shown.seen / 2)).data if one.type == "image")
    assert np.array(dark.z)[6, 11, 0] == 128, "and what is darker stays so"


def test_what_was_seen_stands_below_each_glimpse(shown):
    _, mosaic = (one for one in glimpses(shown).data if one.type == "image")
    pixels = np.array(mosaic.z)
    assert pixels.shape == (2 * 5 + 1, 3 * 5 + 1, 3)
    for step in range(3):
        for scale in range(2):
            patch = pixels[1 + scale * 5 : scale * 5 + 5, 1 + step * 5 : step * 5 + 5]
            assert (patch == (step * 2 + scale) * 51).all()
    assert mosaic.dx * 5 == mosaic.dy * 5 == pytest.approx(1)  # a patch and its line: as wide as a glimpse below


def test_the_likeliest_symbols_are_shown_in_their_order(shown):
    (chances,) = (one for one in glimpses(shown).data if one.type == "heatmap")
    likeliest = sorted(np.argsort(-shown.chances.max(axis=0))[:14].tolist())
    assert list(chances.y) == [f"&lt;{one}&gt;" for one in likeliest]
    np.testing.assert_allclose(np.array(chances.z), shown.chances.T[likeliest], atol=6e-4)
    assert list(chances.x) == [1, 2, 3]


def test_several_objects_are_told_apart(shown):
    assert not glimpses(shown).layout.shapes
    figure = glimpses(replace(shown, each=2))
    assert [(one.x0, one.x1, one.xref, one.yref) for one in figure.layout.shapes] == [
        (2, 2, "x2", "y2 domain"), (2.5, 2.5, "x3", "y3 domain"),
    ]  # fmt: skip
    first, second, third, *of_last = (one.line.color for one in figure.data if getattr(one, "mode", "") == "lines")
    assert first == second != third
    assert {third} == {*of_last}


def test_names_of_strangers_are_no_html(shown):
    assert "<b>" not in glimpses(shown).layout.annotations[0].text
