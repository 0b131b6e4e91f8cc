"""Drawings as pictures: where each image and each box lies on the sheet."""

import numpy as np

from unrolled.inspection.canvas_figures import beside, film
from unrolled.inspection.canvases import Growing

HEIGHT, WIDTH, GAP = 5, 9, 2  # oblong: who takes one side for the other is found out


def growing(name, start):
    """An image of one shade, and canvases of others."""
    canvases = np.stack([np.full((1, HEIGHT, WIDTH), start + step, dtype=np.uint8) for step in range(3)])
    read = np.array([[1.0, 0.0, 4.0, 3.0], [2.0, 1.0, 6.0, 4.0]])
    written = np.array([[0.0, 1.0, 8.0, 2.0], [3.0, 2.0, 7.0, 4.0]])
    return Growing(name, np.full((1, HEIGHT, WIDTH), start + 9, dtype=np.uint8), canvases, read, written)


def test_images_lie_above_their_canvases_and_boxes_where_they_belong():
    drawn = film([growing("a", 10), growing("b", 50)])
    for step, frame in enumerate(drawn.frames):
        sheet, read, written = frame.data
        z = np.array(sheet.z)
        assert z.shape == (2 * HEIGHT + GAP, 2 * WIDTH + GAP)
        assert (z[:HEIGHT, :WIDTH] == 19).all()
        assert (z[:HEIGHT, WIDTH + GAP :] == 59).all()
        assert (z[HEIGHT + GAP :, :WIDTH] == 10 + step).all()
        assert (z[HEIGHT + GAP :, WIDTH + GAP :] == 50 + step).all()
        if not step:
            assert read.x == written.x == ()
            continue
        for trace, boxes, down in ((read, growing("a", 0).read, 0), (written, growing("a", 0).written, HEIGHT + GAP)):
            left, top, right, bottom = boxes[step - 1]
            across = WIDTH + GAP
            assert list(trace.x[:4]) == [left, right, right, left]
            assert list(trace.y[:4]) == [top + down, top + down, bottom + down, bottom + down]
            assert list(trace.x[6:10]) == [left + across, right + across, right + across, left + across]


def test_a_sample_stands_above_its_nearest_image():
    above = [np.full((1, HEIGHT, WIDTH), shade, dtype=np.uint8) for shade in (10, 20)]
    below = [np.full((1, HEIGHT, WIDTH), shade, dtype=np.uint8) for shade in (30, 40)]
    z = np.array(beside(above, below, ["x", "y"]).data[0].z)
    assert (z[:HEIGHT, :WIDTH] == 10).all()
    assert (z[:HEIGHT, WIDTH + GAP : 2 * WIDTH + GAP] == 20).all()
    assert (z[HEIGHT + GAP :, :WIDTH] == 30).all()
    assert (z[HEIGHT + GAP :, WIDTH + GAP : 2 * WIDTH + GAP] == 40).all()
