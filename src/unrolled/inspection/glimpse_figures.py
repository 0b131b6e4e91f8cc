"""Glimpses as a picture: the path over the image, what was seen, and what was thought of it. Measures nothing."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from unrolled.inspection.drawing import COLOURS, cycled, laid_out
from unrolled.inspection.glimpses import Glimpses
from unrolled.inspection.sheets import BYTES, Sheet, apart, coloured, thinned

_SHADES = [[0.0, "#ffffff"], [1.0, "#0a3069"]]
_PATH = "#e69f00"
_SPLIT = 0.42  # of the width: the image has what lies left of it
_DIGITS = 2  # of a pixel, behind the point
_LINE = 1.5
_FINEST = 256  # pixels of an image that is shown, along its longer side
_MOST_ROWS = 14  # symbols whose probabilities are shown


def glimpses(shown: Glimpses) -> go.Figure:
    """The image, with the finest patch of each glimpse as a box, and all patches of the last one.

    Boxes differ in colour; where there are several objects, those of different objects do, and lines part these.

    Right of it what was seen, a column a glimpse, a row a patch; below, how likely each symbol was after each glimpse.
    """
    drawn = go.Figure()
    _add_image(drawn, shown)
    _add_seen(drawn, shown)
    _add_chances(drawn, shown)
    _add_ends(drawn, shown)
    count, height, width = len(shown.boxes), *shown.image.shape[1:]
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False}
    square = {"scaleanchor": "x", "constrain": "domain", "constraintoward": "top"}
    laid_out(drawn, None, None).update_layout(
        title={"text": html.escape(shown.verdict), "font": {"size": 14}},
        margin={"l": 10, "r": 20, "t": 50, "b": 45},
        height=400,
        showlegend=False,
        xaxis={**hidden, "domain": [0, _SPLIT - 0.04], "range": [-0.5, width - 0.5], "constrain": "domain"},
        yaxis={**hidden, **square, "range": [height - 0.5, -0.5]},
        xaxis2={**hidden, "domain": [_SPLIT, 1], "anchor": "y2", "range": [0, count]},
        yaxis2={**hidden, "domain": [0.52, 1], "anchor": "x2"},
        xaxis3={"domain": [_SPLIT, 1], "anchor": "y3", "title": "glimpse", "dtick": 1, "showgrid": False},
        yaxis3={
            "domain": [0, 0.48],
            "anchor": "x3",
            "type": "category",
            "dtick": 1,
            "showgrid": False,
            "autorange": "reversed",
        },
    )
    return drawn


def _add_image(drawn: go.Figure, shown: Glimpses) -> None:
    every = apart(shown.image, _FINEST)
    middle = (every - 1) / 2  # of the first pixel that is shown, and of those that it stands for
    drawn.add_image(
        z=coloured(thinned(shown.image[None], _FINEST))[0], x0=middle, y0=middle, dx=every, dy=every, hoverinfo="skip"
    )  # fmt: skip
    for number, (left, top, side) in enumerate(shown.boxes[:, 0].round(_DIGITS).tolist()):
        _add_box(drawn, left, top, side, _colour(shown, number), "solid")
    for left, top, side in shown.boxes[-1, 1:].round(_DIGITS).tolist():
        _add_box(drawn, left, top, side, _colour(shown, len(shown.boxes) - 1), "dot")
    across, down = (shown.path - 0.5).round(_DIGITS).T.tolist()
    drawn.add_scatter(
        x=across, y=down, mode="lines+markers+text", text=[str(one + 1) for one in range(len(across))],
        textposition="top center", textfont={"color": _PATH, "size": 11}, line={"color": _PATH, "width": 1},
        marker={"color": _PATH, "size": 5},
        hovertemplate="glimpse %{text}: %{x:.1f} across, %{y:.1f} down<extra></extra>",
    )  # fmt: skip


def _colour(shown: Glimpses, number: int) -> str:
    return cycled(COLOURS, number if shown.each >= len(shown.boxes) else number // shown.each)


def _add_ends(drawn: go.Figure, shown: Glimpses) -> None:
    """Lines between the glimpses of two objects: what is seen begins at 0, the glimpses below it are counted from 1."""
    for place in range(shown.each, len(shown.boxes), shown.each):
        for axes, shift in (("2", 0.0), ("3", 0.5)):
            drawn.add_shape(
                type="line", x0=place + shift, x1=place + shift, y0=0, y1=1, xref=f"x{axes}", yref=f"y{axes} domain",
                line={"color": _PATH, "width": 2},
            )  # fmt: skip


def _add_box(drawn: go.Figure, left: float, top: float, side: float, colour: str, dash: str) -> None:
    """A square in pixels, whose first pixel lies from -0.5 to 0.5 on plotly's axes."""
    x0, y0 = left - 0.5, top - 0.5
    drawn.add_scatter(
        x=[x0, x0 + side, x0 + side, x0, x0], y=[y0, y0, y0 + side, y0 + side, y0], mode="lines", hoverinfo="skip",
        line={"color": colour, "width": _LINE, "dash": dash},
    )  # fmt: skip


def _add_seen(drawn: go.Figure, shown: Glimpses) -> None:
    """All that was seen on one sheet, whose columns are glimpses: as wide as what belongs to them below.

    A window may read more brightly than an image is: then the brightest that was seen is white.
    """
    steps, scales, channels, height, width = shown.seen.shape
    sheet = Sheet(height, width, columns=steps, gap=1)
    black, white = BYTES
    limits = black, max(white, float(shown.seen.max()))
    patches = coloured(shown.seen.swapaxes(0, 1).reshape(steps * scales, channels, height, width), limits)
    across, down = 1 / (width + 1), 1 / (height + 1)  # of a pixel, where a patch and its line are one unit
    drawn.add_trace(sheet.laid(patches).update(x0=0, y0=0, dx=across, dy=down, xaxis="x2", yaxis="y2"))


def _add_chances(drawn: go.Figure, shown: Glimpses) -> None:
    """A row for each symbol, of the likeliest ones at most so many."""
    likeliest = np.sort(np.argsort(-shown.chances.max(axis=0), kind="stable")[:_MOST_ROWS])
    drawn.add_heatmap(
        z=shown.chances.T[likeliest].round(3).tolist(), x=list(range(1, len(shown.chances) + 1)),
        y=[html.escape(shown.symbols[place]) for place in likeliest], zmin=0, zmax=1, colorscale=_SHADES,
        showscale=False, xgap=1, ygap=1, xaxis="x3", yaxis="y3",
        hovertemplate="%{y} after glimpse %{x}: %{z:.2f}<extra></extra>",
    )  # fmt: skip
