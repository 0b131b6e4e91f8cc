"""Sheets of images in figures: their pixels, and axes that show all of one. Knows nothing of what is seen on them."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from unrolled.inspection.png import embedded
from unrolled.inspection.sheets import Pixels, Sheet

# Of an axis: it is cut to the shape of what it shows, which lies at the left and at the top of its room.
ACROSS = {"constrain": "domain", "constraintoward": "left"}
DOWN = {"constrain": "domain", "constraintoward": "top"}


def picture(pixels: Pixels, **place: Any) -> go.Image:
    """Red, green and blue `[height, width, 3]`: the middle of the first pixel is 0, and each is one unit of the axes.

    place: where it lies, in plotly's words, if not there.
    """
    return go.Image(source=embedded(pixels), hoverinfo="skip", **place)


def sheet_axes(sheet: Sheet, rows: int) -> dict[str, Any]:
    """Axes of a figure, as a layout, that show a sheet of so many rows and nothing else: a unit is a pixel."""
    height, width = sheet.size(rows)
    return {
        "xaxis": {**ACROSS, "visible": False, "range": [-0.5, width - 0.5]},
        "yaxis": {**DOWN, "visible": False, "range": [height - 0.5, -0.5], "scaleanchor": "x"},
    }
