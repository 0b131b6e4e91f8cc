"""Boxes over an image, as lines of a figure: as far as they lie in what is shown. Knows numbers only.

One unit is a pixel of the axes; a box has a left, a top, a right and a bottom side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

Box = Sequence[float]
Points = list[tuple[float | None, float | None]]  # across and down; None: the line is broken off

_GAP = (None, None)
_DIGITS = 2  # of a pixel, behind the point


def outline(box: Box, area: Box) -> Points:
    """The sides of a box inside an area, and a gap behind them: it stays open where it goes on beyond.

    Nothing, if none of its sides lies in the area.
    """
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    points: Points = []
    for side in filter(None, (_inside(*ends, area) for ends in pairwise(corners))):
        if points[-1:] != side[:1]:
            points += [*[_GAP] * bool(points), side[0]]
        points.append(side[1])
    return [*points, _GAP] if points else []


def coordinates(boxes: Iterable[Points]) -> dict[str, list[float | None]]:
    """Outlines as the x and the y of one line."""
    points = [point for box in boxes for point in box]
    return {"x": [x for x, _ in points], "y": [y for _, y in points]}


def _inside(start: tuple[float, float], end: tuple[float, float], area: Box) -> Points:
    """What of a side lies in the area: its two ends there, or nothing."""
    left, top, right, bottom = area
    (x, y), (x_end, y_end) = start, end
    if max(x, x_end) < left or min(x, x_end) > right or max(y, y_end) < top or min(y, y_end) > bottom:
        return []
    return [
        (round(min(max(across, left), right), _DIGITS), round(min(max(down, top), bottom), _DIGITS))
        for across, down in (start, end)
    ]
