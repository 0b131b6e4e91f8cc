"""A drawing as pictures: the canvas as it grows, where it was read and written, what each step said."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from unrolled.inspection.canvases import Costs, Growing, Image, Numbers
from unrolled.inspection.drawing import COLOURS, laid_out

_GAP = 2  # pixels between two images, of the image's own
_GREY = 200  # of the gaps
_IN_A_ROW = 8
_FRAMES = 64  # of a film at most
_WIDTH = 760  # pixels of the page
_ABOVE, _BELOW = 40, 110
_READ, _WRITTEN = COLOURS[2], COLOURS[1]


def film(drawn: Sequence[Growing]) -> go.Figure:
    """Images above, their canvases below, step by step: green where it reads, red where it writes.

    A slider goes through the steps. `drawn` is not empty, and all have as many steps.
    """
    steps = len(drawn[0].canvases) - 1
    shown = sorted({round(one) for one in np.linspace(0, steps, min(steps + 1, _FRAMES))})
    frames = [go.Frame(name=str(step), data=_traces(drawn, step)) for step in shown]
    made = go.Figure(_traces(drawn, shown[-1]), frames=frames)
    height, width = _size(drawn)
    page = round(_WIDTH * height / width)
    names = _names(drawn)
    laid_out(made, None, None).update_layout(
        height=page + _ABOVE + _BELOW,
        margin={"l": 10, "r": 10, "t": _ABOVE, "b": _BELOW},
        xaxis={"visible": False, "range": [-0.5, width - 0.5], "constrain": "domain"},
        yaxis={"visible": False, "range": [height - 0.5, -0.5], "scaleanchor": "x", "constrain": "domain"},
        annotations=names,
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
    """What is seen after so many steps: the images, their canvases, the boxes of the last step."""
    above = [one.canvases[step] if one.image is None else one.image for one in drawn]
    sheet = _sheet([above, [one.canvases[step] for one in drawn]])
    boxes = [(one.read[step - 1 : step], one.written[step - 1 : step]) if step else ((), ()) for one in drawn]
    down = drawn[0].canvases.shape[2] + _GAP
    across = drawn[0].canvases.shape[3] + _GAP
    read = [_box(box, number * across, 0) for number, (found, _) in enumerate(boxes) for box in found]
    written = [_box(box, number * across, down) for number, (_, found) in enumerate(boxes) for box in found]
    return [_picture(sheet), _outlines(read, "reads", _READ), _outlines(written, "writes", _WRITTEN)]


def _box(box: Numbers, across: int, down: int) -> list[tuple[float | None, float | None]]:
    """The corners of a box in an image that lies there, and a gap behind them."""
    left, top, right, bottom = (float(one) for one in box.round(2))
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return [*((x + across, y + down) for x, y in corners), (None, None)]


def _outlines(boxes: Sequence[Sequence[tuple[float | None, float | None]]], name: str, colour: str) -> go.Scatter:
    points = [point for box in boxes for point in box]
    return go.Scatter(
        x=[x for x, _ in points], y=[y for _, y in points], mode="lines", name=name, line={"color": colour, "width": 2},
        hoverinfo="skip", showlegend=bool(points),
    )  # fmt: skip


def _names(drawn: Sequence[Growing]) -> list[dict[str, Any]]:
    """What each image is, below its canvas."""
    height, width = drawn[0].canvases.shape[2:]
    return [
        {
            "x": number * (width + _GAP) + width / 2, "y": 2 * height + _GAP, "text": html.escape(one.name),
            "showarrow": False, "yanchor": "top", "font": {"size": 11},
        }
        for number, one in enumerate(drawn)
    ]  # fmt: skip


def _size(drawn: Sequence[Growing]) -> tuple[int, int]:
    height, width = drawn[0].canvases.shape[2:]
    return 2 * height + _GAP, len(drawn) * (width + _GAP) - _GAP


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
    """Rows of images on one, `[3, height, width]`, with a gap between two; a short row ends with gaps."""
    channels, height, width = rows[0][0].shape
    count = max(map(len, rows))
    sheet = np.full((3, len(rows) * (height + _GAP) - _GAP, count * (width + _GAP) - _GAP), _GREY, dtype=np.uint8)
    for down, row in enumerate(rows):
        for across, image in enumerate(row):
            top, left = down * (height + _GAP), across * (width + _GAP)
            shown = image if channels == 3 else image.mean(axis=0, keepdims=True)
            sheet[:, top : top + height, left : left + width] = shown
    return sheet


def _picture(sheet: Image) -> go.Image:
    """A sheet as a trace, one unit a pixel."""
    return go.Image(source=f"data:image/png;base64,{base64.b64encode(png(sheet)).decode()}", hoverinfo="skip")


def png(image: NDArray[np.uint8]) -> bytes:
    """The PNG of red, green and blue `[3, height, width]`."""
    height, width = image.shape[1:]
    lines = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # (each line begins with its filter: none)
    lines[:, 1:] = image.transpose(1, 2, 0).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # eight bits of each of three colours
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
