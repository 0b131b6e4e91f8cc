"""A drawing as pictures: the canvas as it grows, where it was read and written, what each step said."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from unrolled.inspection.canvases import Costs, Growing, Image, Numbers
from unrolled.inspection.drawing import COLOURS, STILL, laid_out

_GAP = 2  # pixels between two images, of the image's own
_GREY = 200  # of the gaps
_IN_A_ROW = 8
_FRAMES = 33  # of a film at most
_COLOURS = 3  # channels: red, green, blue
_SHADES = [[0.0, "#000000"], [1.0, "#ffffff"]]
_WIDTH = 760  # pixels of the page
_ABOVE, _BELOW = 40, 110
_READ, _WRITTEN = COLOURS[2], COLOURS[1]


def film(drawn: Sequence[Growing]) -> go.Figure:
    """Images above, if there are any, their canvases below, step by step: green where it reads, red where it writes.

    A slider goes through the steps. `drawn` is not empty; all have as many steps, and all an image or none.
    """
    steps = len(drawn[0].canvases) - 1
    shown = sorted({round(one) for one in np.linspace(0, steps, min(steps + 1, _FRAMES))})
    frames = [go.Frame(name=str(step), data=_traces(drawn, step)) for step in shown]
    made = go.Figure(_traces(drawn, shown[-1]), frames=frames)
    height, width = _size(drawn)
    page = round(_WIDTH * height / width)
    laid_out(made, None, None).update_layout(
        height=page + _ABOVE + _BELOW,
        margin={"l": 10, "r": 10, "t": _ABOVE, "b": _BELOW},
        xaxis={"visible": False, "range": [-0.5, width - 0.5], "constrain": "domain"},
        yaxis={"visible": False, "range": [height - 0.5, -0.5], "scaleanchor": "x", "constrain": "domain"},
        annotations=_names(drawn),
        meta=STILL,  # (the whole drawing is seen first)
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        updatemenus=[_play()],
        sliders=[_slider(shown)],
    )
    return made


def beside(above: Sequence[Image], below: Sequence[Image], hover: Sequence[str]) -> go.Figure:
    """Two rows of images of one size: each above the one that belongs to it."""
    rows = [[*above[start : start + _IN_A_ROW]] for start in range(0, len(above), _IN_A_ROW)]
    others = [[*below[start : start + _IN_A_ROW]] for start in range(0, len(below), _IN_A_ROW)]
    sheet = _sheet([one for pair in zip(rows, others, strict=True) for one in pair])
    height, width = sheet.shape[1:]
    across, down = above[0].shape[2] + _GAP, above[0].shape[1] + _GAP
    made = go.Figure(_picture(sheet))
    made.add_scatter(
        x=[number % _IN_A_ROW * across + above[0].shape[2] / 2 for number in range(len(hover))],
        y=[(2 * (number // _IN_A_ROW) + 1) * down - _GAP / 2 for number in range(len(hover))],
        mode="markers", marker={"size": 12, "opacity": 0}, text=[html.escape(one) for one in hover], hoverinfo="text",
        showlegend=False,
    )  # fmt: skip
    page = round(_WIDTH * height / width)
    return laid_out(made, None, None).update_layout(
        height=page + 30,
        margin={"l": 10, "r": 10, "t": 10, "b": 20},
        xaxis={"visible": False, "range": [-0.5, width - 0.5], "constrain": "domain"},
        yaxis={"visible": False, "range": [height - 0.5, -0.5], "scaleanchor": "x", "constrain": "domain"},
    )


def costs(found: Costs) -> go.Figure:
    """Nats: what each step says, and what is missing after it."""
    steps = list(range(len(found.missing)))
    made = go.Figure()
    made.add_bar(
        x=steps[1:], y=found.said.round(3).tolist(), name="said by the step", marker={"color": COLOURS[0]},
        hovertemplate="step %{x}: %{y:.2f} nats<extra></extra>",
    )  # fmt: skip
    made.add_scatter(
        x=steps, y=found.missing.round(3).tolist(), name="missing after it", mode="lines+markers", yaxis="y2",
        line={"color": COLOURS[1]}, hovertemplate="after step %{x}: %{y:.1f} nats<extra></extra>",
    )  # fmt: skip
    return laid_out(made, "step", "nats said (KL)").update_layout(
        margin={"l": 60, "r": 70, "t": 20, "b": 50},
        yaxis2={"title": "nats missing (pixels)", "overlaying": "y", "side": "right", "showgrid": False,
                "rangemode": "tozero"},
        yaxis={"rangemode": "tozero"},
    )  # fmt: skip


def _traces(drawn: Sequence[Growing], step: int) -> list[Any]:
    """What is seen after so many steps: images, if there are any, their canvases, the boxes of the last step."""
    rows = [[one.canvases[step] for one in drawn]]
    if images := [one.image for one in drawn if one.image is not None]:
        rows = [images, *rows]
    down = drawn[0].canvases.shape[2] + _GAP
    read = [_box(drawn, number, one.read[step - 1 : step], 0) for number, one in enumerate(drawn) if step]
    written = [
        _box(drawn, number, one.written[step - 1 : step], down * (len(rows) - 1))
        for number, one in enumerate(drawn)
        if step
    ]
    return [_picture(_sheet(rows)), _outlines(read, "reads", _READ), _outlines(written, "writes", _WRITTEN)]


def _box(drawn: Sequence[Growing], number: int, box: Numbers, down: int) -> list[tuple[float | None, float | None]]:
    """The corners of a box, as far as it lies in the image of that number, and a gap behind them; none without one."""
    if not len(box):
        return []
    height, width = drawn[0].canvases.shape[2:]
    left, right = (box[0, [0, 2]].clip(-0.5, width - 0.5) + number * (width + _GAP)).round(2).tolist()
    top, bottom = (box[0, [1, 3]].clip(-0.5, height - 0.5) + down).round(2).tolist()
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top), (None, None)]


def _outlines(boxes: Sequence[Sequence[tuple[float | None, float | None]]], name: str, colour: str) -> go.Scatter:
    points = [point for box in boxes for point in box]
    return go.Scatter(
        x=[x for x, _ in points], y=[y for _, y in points], mode="lines", name=name, line={"color": colour, "width": 2},
        hoverinfo="skip", showlegend=bool(points),
    )  # fmt: skip


def _names(drawn: Sequence[Growing]) -> list[dict[str, Any]]:
    """What each image is called, below its canvas."""
    across = drawn[0].canvases.shape[3]
    return [
        {
            "x": number * (across + _GAP) + across / 2, "y": _size(drawn)[0] - 0.5, "text": html.escape(one.name),
            "showarrow": False, "yanchor": "top", "font": {"size": 11},
        }
        for number, one in enumerate(drawn)
    ]  # fmt: skip


def _size(drawn: Sequence[Growing]) -> tuple[int, int]:
    """Height and width of all of them side by side, in pixels of the images."""
    height, width = drawn[0].canvases.shape[2:]
    rows = 1 if drawn[0].image is None else 2
    return rows * (height + _GAP) - _GAP, len(drawn) * (width + _GAP) - _GAP


def _play() -> dict[str, Any]:
    moving = {"frame": {"duration": 400, "redraw": True}, "fromcurrent": False, "transition": {"duration": 0}}
    return {
        "type": "buttons", "x": 0, "y": 0, "xanchor": "left", "yanchor": "top", "pad": {"t": 34}, "showactive": False,
        "buttons": [{"label": "\u25b6 draw", "method": "animate", "args": [None, moving]}],
    }  # fmt: skip


def _slider(steps: Sequence[int]) -> dict[str, Any]:
    now = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate", "transition": {"duration": 0}}
    return {
        "steps": [{"label": str(step), "method": "animate", "args": [[str(step)], now]} for step in steps],
        "active": len(steps) - 1, "x": 0.14, "len": 0.86, "y": 0, "pad": {"t": 30},
        "currentvalue": {"prefix": "after step ", "font": {"color": "#1f2328", "size": 13}},
    }  # fmt: skip


def _sheet(rows: Sequence[Sequence[Image]]) -> Image:
    """Rows of images on one, `[C, height, width]`, with a gap between two; a short row ends with gaps.

    Images that have neither one channel nor three are shown in the mean of theirs.
    """
    channels, height, width = rows[0][0].shape
    size = len(rows) * (height + _GAP) - _GAP, max(map(len, rows)) * (width + _GAP) - _GAP
    sheet = np.full((channels if channels == _COLOURS else 1, *size), _GREY, dtype=np.uint8)
    for down, row in enumerate(rows):
        for across, image in enumerate(row):
            top, left = down * (height + _GAP), across * (width + _GAP)
            shown = image if channels == _COLOURS else image.mean(axis=0, keepdims=True).round()
            sheet[:, top : top + height, left : left + width] = shown
    return sheet


def _picture(sheet: Image) -> Any:
    """A sheet as a trace, one unit a pixel."""
    if len(sheet) == 1:
        return go.Heatmap(z=sheet[0].tolist(), zmin=0, zmax=255, colorscale=_SHADES, showscale=False, hoverinfo="skip")
    return go.Image(z=sheet.transpose(1, 2, 0), hoverinfo="skip")
