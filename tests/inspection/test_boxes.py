"""Boxes over an image: whole, over its border, beyond it, around it."""

import pytest

from unrolled.inspection.boxes import coordinates, outline

AREA = (-1, -2, 9, 6)  # oblong: who takes one side for the other is found out
GAP = (None, None)


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((1, 2, 4, 5), [(1, 2), (4, 2), (4, 5), (1, 5), (1, 2), GAP]),
        ((5, 3, 12, 5), [(5, 3), (9, 3), GAP, (9, 5), (5, 5), (5, 3), GAP]),  # open on the right
        ((-4, -5, 3, 1), [(3, -2), (3, 1), (-1, 1), GAP]),  # two sides are beyond
        ((-4, 1, 20, 2), [(-1, 1), (9, 1), GAP, (9, 2), (-1, 2), GAP]),  # a band from side to side
        ((10, 0, 12, 3), []),
        ((-3, -9, 20, 30), []),  # all around
        ((2.126, 3, 2.126, 3), [(2.13, 3)] * 5 + [GAP]),
    ],
)
def test_of_a_box_what_lies_in_the_area(box, wanted):
    points = outline(box, AREA)
    assert [one for place, one in enumerate(points) if not place or one != points[place - 1]] == [
        one for place, one in enumerate(wanted) if not place or one != wanted[place - 1]
    ]


def test_several_are_one_line_that_is_broken_off():
    line = coordinates([outline((0, 0, 1, 1), AREA), outline((20, 0, 30, 1), AREA), outline((2, 3, 4, 6), AREA)])
    assert line["x"] == [0, 1, 1, 0, 0, None, 2, 4, 4, 2, 2, None]
    assert line["y"] == [0, 0, 1, 1, 0, None, 3, 3, 6, 6, 3, None]
