"""Boxes over an image: whole, over the edge of what is shown, beyond it, around it."""

import pytest

from unrolled.inspection.boxes import coordinates, outline

AREA = (-1, -2, 9, 6)  # oblong: who takes one side for the other is found out


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((1, 2, 4, 5), (1, 2, 4, 5)),
        ((5, 3, 12, 5), (5, 3, 9, 5)),
        ((-4, -5, 3, 1), (-1, -2, 3, 1)),
        ((-3, -9, 20, 30), AREA),  # all around
        ((10, 7, 12, 8), (9, 6, 9, 6)),  # all beyond: a point on the edge
        ((2.126, 3, 2.126, 3), (2.13, 3, 2.13, 3)),
    ],
)
def test_a_box_is_cut_at_the_area(box, wanted):
    left, top, right, bottom = wanted
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    assert outline(box, AREA) == [*corners, (None, None)]


def test_several_are_one_line_that_is_broken_off():
    line = coordinates([outline((0, 0, 1, 1), AREA), outline((2, 3, 4, 6), AREA)])
    assert line["x"] == [0, 1, 1, 0, 0, None, 2, 4, 4, 2, 2, None]
    assert line["y"] == [0, 0, 1, 1, 0, None, 3, 3, 6, 6, 3, None]
