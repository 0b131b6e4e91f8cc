"""Boxes over an image, as lines of a figure, cut at what is shown. Knows numbers only.

One unit is a pixel of the axes; a box has a left, a top, a right and a bottom side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Box = Sequence[float]
Points = list[tuple[float | None, float | None]]  # across and down; None: the line is broken off

_DIGITS = 2  # of a pixel, behind the point


def outline(box: Box, area: Box) -> Points:
    """The corners of a box, and a gap behind them: a side beyond the area is drawn on its edge.

    So who looks at all of it, and at more, has a box around all of it.
    """
    least, most = (*area[:2], *area[:2]), (*area[2:], *area[2:])
    sides = zip(box, least, most, strict=True)
    left, top, right, bottom = (round(min(max(side, low), high), _DIGITS) for side, low, high in sides)
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top), (None, None)]


def coordinates(boxes: Iterable[Points]) -> dict[str, list[float | None]]:
    """Outlines as the x and the y of one line."""
    points = [point for box in boxes for point in box]
    return {"x": [x for x, _ in points], "y": [y for _, y in points]}
