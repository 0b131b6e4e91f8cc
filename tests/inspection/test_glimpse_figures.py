"""Glimpses as a picture: boxes and the path lie where the sensor looked, what was seen stands in its order."""

from dataclasses import replace

import numpy as np
import pytest

from tests.inspection.pixels import pixels_of
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


def moving(figure, after=None):
    """Path, finest patch, wider patches, and the two veils, after so many glimpses; None: as it is seen first."""
    (path, fine, wide, *veils), last = figure.data[3:], len(figure.frames)
    if after is not None:
        frame = figure.frames[after - 1]
        assert (frame.name, frame.traces) == (str(after), (3, 4, 5, 6, 7))
        path, fine, wide, *veils = frame.data
    assert [one.yaxis for one in veils] == ["y2", "y3"]
    assert len(path.x) == (after or last)
    return path, fine, wide, veils


def test_where_each_part_lies_on_the_page(shown):
    """The image left; right of the names, of four letters, what was seen, and below it what was thought."""
    page = glimpses(shown).layout
    start = 0.4 + (20 + 4 * 6) / 540
    assert (page.xaxis.domain, page.yaxis.domain, page.yaxis.scaleanchor) == ((0, 0.4), None, "x")
    assert page.xaxis2.domain == (pytest.approx(start), 1)
    assert page.xaxis2.range == pytest.approx((1 - 0.6, 3 + 0.6)), "a patch of four pixels, and a line at either side"
    assert page.yaxis2.range == pytest.approx((2.1, -0.1)), "the finest at the top"
    assert (page.yaxis2.scaleanchor, page.yaxis2.anchor, page.yaxis3.anchor, page.xaxis2.anchor) == (
        "x2", "x2", "x2", "y3",
    )  # fmt: skip
    assert page.yaxis3.range == (13.5, -0.5), "the first symbol at the top"
    assert page.yaxis2.domain == pytest.approx((0.58, 1))
    assert page.yaxis3.domain == pytest.approx((0, 0.54))
    for axis, end in ((page.xaxis, "left"), (page.xaxis2, "left"), (page.yaxis, "top"), (page.yaxis2, "top")):
        assert (axis.constrain, axis.constraintoward) == ("domain", end), "shapes stay, and lie in the corner"


def test_many_glimpses_are_flat_and_long_names_are_cut(shown):
    """What was seen is as high as squares of its width; its columns have fifteen numbers at most."""
    names = ["a very long name", *SYMBOLS[1:]]
    certain = np.eye(20)[:1].repeat(16, axis=0)
    for count, every in ((15, 1), (16, 2)):
        boxes, seen = np.ones((count, 2, 3)), np.zeros((count, 2, 1, 4, 4))
        page = glimpses(replace(shown, boxes=boxes, seen=seen, chances=certain[:count], symbols=names)).layout
        start = 0.4 + (20 + 10 * 6) / 540
        high = 2 * (1 - start) * 540 / count / 300
        assert (page.xaxis2.domain[0], page.yaxis2.domain[0]) == pytest.approx((start, 1 - high))
        assert page.yaxis3.domain == pytest.approx((0, 1 - high - 0.04))
        assert page.yaxis3.ticktext[0] == "a very lo\u2026"
        assert (page.xaxis2.tick0, page.xaxis2.dtick) == (1, every)


def test_after_each_glimpse_its_boxes_and_the_path_so_far(shown):
    """The margin is a twelfth of 12 pixels: what is shown goes from -1.5 to 12.5, and down to 10.5."""
    figure = glimpses(shown)
    assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == ((-1.5, 12.5), (10.5, -1.5))
    wanted = [[3.5, 4.5], [0.5, 6.5], [7.5, 1.5]]
    for after in (1, 2, 3):
        path, fine, *_ = moving(figure, after)
        assert np.array([path.x, path.y]).T.tolist() == wanted[:after]
        left, top, side = shown.boxes[after - 1, 0] - [0.5, 0.5, 0]
        assert (min(fine.x[:-1]), max(fine.x[:-1])) == (max(left, -1.5), left + side)
        assert (min(fine.y[:-1]), max(fine.y[:-1])) == (max(top, -1.5), top + side)
    assert moving(figure) == moving(figure, 3), "all of the path is seen first"
    (slider,) = figure.layout.sliders
    assert (len(slider.steps), slider.active) == (3, 2)
    path, fine, wide, _ = moving(figure)
    assert path.marker.size == (5, 5, 9), "the last is the large one"
    assert path.hovertemplate.startswith("glimpse %{customdata}: ")
    assert (fine.line.dash, wide.line.dash) == ("solid", "dot")
    _, _, wide, _ = moving(figure, 1)
    assert (set(wide.x), set(wide.y)) == ({-0.5, 7.5, None}, {0.5, 8.5, None})
    _, _, wide, _ = moving(figure, 3)
    assert (set(wide.x), set(wide.y)) == ({3.5, 11.5, None}, {-1.5, 5.5, None}), "it begins above the margin"


def test_a_window_lies_between_pixels(shown):
    """One patch a glimpse, at places that are no whole numbers: in an image of 10 x 12, and beyond it."""
    boxes = np.array([[[0.75, -0.25, 10.5]], [[3.128, 4.5, 2.0]], [[11.0, -1.5, 0.0]]])
    figure = glimpses(replace(shown, boxes=boxes, seen=shown.seen[:, :1]))
    (_, first, wide, _), (_, second, *_), (path, last, *_) = (moving(figure, after) for after in (1, 2, 3))
    assert (first.x, first.y) == ((0.25, 10.75, 10.75, 0.25, 0.25, None), (-0.75, -0.75, 9.75, 9.75, -0.75, None))
    assert (second.x[:2], second.y[1:3]) == ((2.63, 4.63), (4.0, 6.0))
    assert (set(last.x), set(last.y)) == ({10.5, None}, {-1.5, None}), "its place is beyond the margin"
    assert not wide.x
    assert np.array([path.x, path.y]).T.tolist() == [[5.5, 4.5], [3.63, 5.0], [10.5, -2.0]]


def test_numbers_stand_where_there_is_room_for_them(shown):
    """Of 14 pixels 0.98 lie between two numbers at least; the last and the first have theirs before the others."""
    places = np.array([[5, 5], [5.5, 5.5], [7, 5], [7, 5.9], [7, 6.05], [5.2, 5.9], [5.9, 5.9]])
    boxes = np.concatenate([places - 2, np.full((7, 1), 4)], axis=1)[:, None]
    more = replace(shown, boxes=boxes, seen=np.zeros((7, 1, 1, 4, 4)), chances=np.full((7, 20), 0.05), each=7)
    figure = glimpses(more)
    assert moving(figure)[0].text == ("", "", "3", "", "5", "", "7"), "the first is too near to the last"
    assert moving(figure, 6)[0].text == ("", "", "3", "", "5", "6")
    assert moving(figure, 5)[0].text == ("1", "", "3", "", "5")
    assert moving(figure, 2)[0].text == ("", "2")
    assert moving(figure)[0].customdata == tuple("1234567")


def test_numbers_that_are_just_far_enough_have_room(shown):
    """Of 14 pixels 0.07 is far enough, and a little less is not."""
    near = 0.07 * 14
    for apart, numbers in ((near, ("1", "2")), (0.99 * near, ("", "2"))):
        boxes = np.array([[[0.5 - apart, 0.5, 0.0]], [[0.5, 0.5, 0.0]]])  # (below 0.5 nothing is rounded)
        two = replace(shown, boxes=boxes, seen=shown.seen[:2, :1], chances=shown.chances[:2])
        assert moving(glimpses(two))[0].text == numbers


def test_around_the_image_is_nothing(shown):
    """Each pixel is where it was; of a large image every second one is shown, in a margin of 42 pixels."""
    for height, width, every, margin in ((10, 12, 1, 1), (300, 500, 2, 42)):
        image = np.random.default_rng(0).integers(1, 256, size=(1, height, width)).astype(np.float32)
        figure = glimpses(replace(shown, image=image))
        drawn, pixels = figure.data[0], pixels_of(figure.data[0])
        start, *rest = (round((margin + one) / every) for one in (0, height, width))
        inner = pixels[start : rest[0], start : rest[1], 0]
        np.testing.assert_array_equal(inner, image[0, ::every, ::every])
        assert pixels.sum(dtype=int) == 3 * inner.sum(dtype=int), "and all else is black"
        assert (drawn.x0 + start * drawn.dx, drawn.dx) == ((every - 1) / 2, every)
        assert (drawn.y0 + start * drawn.dy, drawn.dy) == ((every - 1) / 2, every)
        border = figure.layout.shapes[0]
        assert (border.x0, border.y0, border.x1, border.y1) == (-0.5, -0.5, width - 0.5, height - 0.5)


def test_what_is_brighter_than_an_image_is_white(shown):
    pixels = pixels_of(glimpses(replace(shown, seen=shown.seen * 4)).data[1])
    brightness = [pixels[1 + scale * 5, 1 + step * 5, 0] for step in range(3) for scale in range(2)]
    assert brightness == [0, 51, 102, 153, 204, 255]
    dark = pixels_of(glimpses(replace(shown, seen=shown.seen / 2)).data[1])
    assert dark[6, 11, 0] == 128, "and what is darker stays so"


def test_what_was_seen_and_thought_stands_in_the_column_of_its_glimpse(shown):
    figure = glimpses(shown)
    _, mosaic, chances = figure.data[:3]
    pixels = pixels_of(mosaic)
    assert pixels.shape == (2 * 5 + 1, 3 * 5 + 1, 3)
    for step in range(3):
        for scale in range(2):
            patch = pixels[1 + scale * 5 : scale * 5 + 5, 1 + step * 5 : step * 5 + 5]
            assert (patch == (step * 2 + scale) * 51).all()
    assert mosaic.dx * 5 == mosaic.dy * 5 == pytest.approx(1), "a patch and its line: as wide as a glimpse"
    assert mosaic.y0 == 0, "its upper line lies around the edge of the first row"
    middle = mosaic.x0 + np.array([2.5, 7.5, 12.5]) * mosaic.dx  # (a line, and four pixels of each)
    np.testing.assert_allclose(middle, chances.x)
    assert (mosaic.xaxis, chances.xaxis) == ("x2", "x2"), "one axis: however wide the page is, columns are columns"
    likeliest = sorted(np.argsort(-shown.chances.max(axis=0))[:14].tolist())
    assert list(figure.layout.yaxis3.ticktext) == [f"&lt;{one}&gt;" for one in likeliest]
    np.testing.assert_allclose(np.array(chances.z), shown.chances.T[likeliest], atol=6e-4)
    assert list(chances.x) == [1, 2, 3]


def test_what_comes_later_is_veiled(shown):
    figure = glimpses(shown)
    for after in (1, 2):
        seen, thought = moving(figure, after)[3]
        assert seen.x == thought.x == (after + 0.5, 3.5, 3.5, after + 0.5)
        assert seen.fill == thought.fill == "toself"
        assert (seen.y, thought.y) == ((0, 0, 2, 2), (-0.5, -0.5, 13.5, 13.5)), "two patches, and fourteen symbols"
    assert not any(one.x or one.y for one in moving(figure, 3)[3])


def test_of_one_glimpse_there_is_no_slider(shown):
    one = replace(shown, boxes=shown.boxes[:1], seen=shown.seen[:1], chances=shown.chances[:1], each=1)
    short, tall = glimpses(one).layout, glimpses(shown).layout
    assert not short.sliders
    assert tall.height - short.height == tall.margin.b - short.margin.b > 0


def test_names_that_begin_alike_have_rows_of_their_own(shown):
    names = [f"a very long name, number {number}" for number in range(20)]
    figure = glimpses(replace(shown, symbols=names))
    assert set(figure.layout.yaxis3.ticktext) == {"a very lo\u2026"}
    assert list(figure.layout.yaxis3.tickvals) == list(figure.data[2].y) == list(range(14))
    likeliest = sorted(np.argsort(-shown.chances.max(axis=0))[:14].tolist())
    assert [row[0] for row in figure.data[2].text] == [names[place] for place in likeliest]


def test_several_objects_are_told_apart(shown):
    assert len(glimpses(shown).layout.shapes) == 1
    figure = glimpses(replace(shown, each=2))
    assert [(one.x0, one.x1, one.xref, one.yref) for one in figure.layout.shapes[1:]] == [
        (2.5, 2.5, "x2", "y2 domain"), (2.5, 2.5, "x2", "y3 domain"),
    ]  # fmt: skip
    lines = [[one.line.color for one in moving(figure, after)[1:3]] for after in (1, 2, 3)]
    (first,), (second,), (third,) = map(set, lines)
    assert first == second != third
    assert moving(figure)[0].marker.color == (first, first, third)


def test_names_of_strangers_are_no_html(shown):
    figure = glimpses(shown)
    assert "<b>" not in figure.layout.annotations[0].text
    assert "&lt;b&gt;" in figure.layout.annotations[0].text
    assert figure.data[2].text[0][0].startswith("&lt;")
