"""Drawings as pictures: where each image and each box lies on the sheet."""

import numpy as np

from tests.inspection.pixels import pixels_of
from unrolled.inspection.canvas_figures import beside, costs, film
from unrolled.inspection.canvases import Costs, Growing

HEIGHT, WIDTH = 5, 9  # oblong: who takes one side for the other is found out


def shade(sheet, place):
    """The one shade of an image whose row and column are given; it is not that of its neighbours."""
    top, left = 2 + place[0] * (HEIGHT + 2), 2 + place[1] * (WIDTH + 2)
    (found,) = np.unique(pixels_of(sheet)[top : top + HEIGHT, left : left + WIDTH])
    return found


def growing(name, start):
    """An image of one shade, and canvases of others."""
    canvases = np.stack([np.full((1, HEIGHT, WIDTH), start + step, dtype=np.uint8) for step in range(3)])
    read = np.array([[1.0, 0.0, 4.0, 3.0], [2.0, 1.0, 6.0, 4.0]])
    written = np.array([[0.0, 1.0, 8.0, 2.0], [3.0, 2.0, 7.0, 4.0]])
    return Growing(name, np.full((1, HEIGHT, WIDTH), start + 9, dtype=np.uint8), canvases, read, written)


def test_images_lie_above_their_canvases_and_boxes_where_they_belong():
    drawn = film([growing("a", 10), growing("b", 50)])
    assert drawn.layout.sliders[0].active == 2, "the whole drawing is seen first"
    assert drawn.data == drawn.frames[2].data
    for step, frame in enumerate(drawn.frames):
        sheet, read, written = frame.data
        assert [shade(sheet, place) for place in ((0, 0), (0, 1))] == [19, 59]
        assert [shade(sheet, place) for place in ((1, 0), (1, 1))] == [10 + step, 50 + step]
        if not step:
            assert read.x == written.x == ()
            assert read.showlegend is written.showlegend is False, "what is not there needs no name"
            continue
        assert read.showlegend is written.showlegend is True
        for trace, boxes, down in ((read, growing("a", 0).read, 0), (written, growing("a", 0).written, HEIGHT + 2)):
            left, top, right, bottom = boxes[step - 1]
            for number, across in enumerate((2, 2 + WIDTH + 2)):
                x, y = (list(of_axis[6 * number :][:4]) for of_axis in (trace.x, trace.y))
                assert x == [left + across, right + across, right + across, left + across]
                assert y == [top + down + 2, top + down + 2, bottom + down + 2, bottom + down + 2]


def test_each_step_has_what_it_costs_and_what_is_left_after_it():
    """Before the first step there is a canvas, but nothing was said."""
    bars, line = costs(Costs(np.array([1.0, 3.0]), np.array([9.0, 7.0, 5.0]))).data
    assert (bars.x, bars.y) == ((1, 2), (1, 3))
    assert (line.x, line.y, line.yaxis) == ((0, 1, 2), (9, 7, 5), "y2")


def test_a_sample_stands_above_its_nearest_image():
    above, below = (
        [np.full((1, HEIGHT, WIDTH), start + number, dtype=np.uint8) for number in range(10)] for start in (10, 30)
    )
    sheet, hover = beside(above, below, [f"of {number}" for number in range(10)]).data
    for number in range(10):  # (eight in a row)
        row, column = 2 * (number // 8), number % 8
        assert (shade(sheet, (row, column)), shade(sheet, (row + 1, column))) == (10 + number, 30 + number)
        assert hover.text[number] == f"of {number}"
        assert hover.x[number] == 2 + column * (WIDTH + 2) + (WIDTH - 1) / 2
        assert hover.y[number] == 2 + row * (HEIGHT + 2) + HEIGHT - 0.5


def test_one_image_is_no_larger_than_a_hundred_and_fifty_pixels():
    """Eight fill the width of 540 pixels; of one the sheet has 13 pixels across and 2 x 7 + 2 down."""
    one, eight = (film([growing(str(name), 10) for name in range(count)]).layout.height for count in (1, 8))
    room = 40 + 110  # for the legend, and for the slider
    assert one == room + round(16 * 150 / 9)
    assert eight == room + round(16 * 540 / (8 * 11 + 2))
    (image,) = growing("a", 10).canvases[:1]
    assert beside([image], [image], ["x"]).layout.height == 30 + round(16 * 150 / 9)


def test_a_box_ends_where_its_image_does():
    """Beyond lies its neighbour."""
    one = growing("a", 10)
    wide = Growing("a", one.image, one.canvases, np.array([[-4.0, 1.0, 30.0, 9.0]] * 2), one.written)
    read = film([wide, wide]).data[1]
    assert (min(read.x[:5]), max(read.x[:5])) == (2 - 0.5, 2 + WIDTH - 0.5)
    assert (min(read.y[:5]), max(read.y[:5])) == (2 + 1, 2 + HEIGHT - 0.5)
    assert (min(read.x[6:11]), max(read.x[6:11])) == (WIDTH + 4 - 0.5, 2 * WIDTH + 4 - 0.5)
