"""A drawing as pictures: the canvas as it grows, where it was read and written, what each step said."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from unrolled.inspection.boxes import Points, coordinates, outline
from unrolled.inspection.canvases import Costs, Growing, Image, Numbers
from unrolled.inspection.drawing import COLOURS, NARROW, STILL, laid_out, sliding
from unrolled.inspection.sheet_drawing import picture, sheet_axes
from unrolled.inspection.sheets import Sheet, coloured

_IN_A_ROW = 8
_FRAMES = 33  # of a film at most
_LONGEST = 150  # pixels of the page: a side of an image
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
    sheet, rows = _sheet(drawn), len(_rows(drawn, 0))
    laid_out(made, None, None).update_layout(
        height=sheet.tall(rows, NARROW, _LONGEST) + _ABOVE + _BELOW,
        margin={"l": 10, "r": 10, "t": _ABOVE, "b": _BELOW},
        **sheet_axes(sheet, rows),
        annotations=_names(drawn),
        meta=STILL,  # (the whole drawing is seen first)
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        updatemenus=[_play()],
        sliders=[sliding(list(map(str, shown)), "after step ", first=len(shown) - 1, is_labelled=True, x=0.2, len=0.8)],
    )
    return made


def beside(above: Sequence[Image], below: Sequence[Image], hover: Sequence[str]) -> go.Figure:
    """Two rows of images of one size: each above the one that belongs to it."""
    columns = min(_IN_A_ROW, len(above))
    height, width = above[0].shape[1:]
    sheet = Sheet(height, width, columns)
    upper = [number + number // columns * columns for number in range(len(above))]
    lower = [number + columns for number in upper]
    made = go.Figure(picture(sheet.pixels(coloured(np.stack([*above, *below])), [*upper, *lower])))
    middles = [sheet.under(number) for number in upper]
    made.add_scatter(
        x=[across for across, _ in middles], y=[down for _, down in middles],
        mode="markers", marker={"size": 12, "opacity": 0}, text=[html.escape(one) for one in hover], hoverinfo="text",
        showlegend=False,
    )  # fmt: skip
    rows = 2 * -(-len(above) // columns)
    return laid_out(made, None, None).update_layout(
        height=sheet.tall(rows, NARROW, _LONGEST) + 30,
        margin={"l": 10, "r": 10, "t": 10, "b": 20},
        **sheet_axes(sheet, rows),
    )


def costs(found: Costs) -> go.Figure:
    """Nats: latent, for the z of each step; reconstruction, of the pixels with the canvas after it."""
    steps = list(range(len(found.reconstruction)))
    made = go.Figure()
    made.add_bar(
        x=steps[1:], y=found.latent.round(3).tolist(), name="latent, of the step", marker={"color": COLOURS[0]},
        hovertemplate="step %{x}: %{y:.2f} nats<extra></extra>",
    )  # fmt: skip
    made.add_scatter(
        x=steps, y=found.reconstruction.round(3).tolist(), name="reconstruction, after it", mode="lines+markers",
        yaxis="y2",
        line={"color": COLOURS[1]}, hovertemplate="after step %{x}: %{y:.1f} nats<extra></extra>",
    )  # fmt: skip
    return laid_out(made, "step", "latent (KL), nats").update_layout(
        margin={"l": 60, "r": 70, "t": 20, "b": 50},
        yaxis2={"title": "reconstruction (pixels), nats", "overlaying": "y", "side": "right", "tickmode": "auto",
                "showgrid": False, "rangemode": "tozero"},
        yaxis={"rangemode": "tozero"},
    )  # fmt: skip


def _traces(drawn: Sequence[Growing], step: int) -> list[Any]:
    """What is seen after so many steps: images, if there are any, their canvases, the boxes of the last step."""
    sheet, rows = _sheet(drawn), _rows(drawn, step)
    canvases = len(drawn) * (len(rows) - 1)  # the number of the first one
    read = [_box(sheet, number, one.read[step - 1 : step]) for number, one in enumerate(drawn) if step]
    written = [_box(sheet, canvases + number, one.written[step - 1 : step]) for number, one in enumerate(drawn) if step]
    images = picture(sheet.pixels(coloured(np.concatenate(rows))))
    return [images, _lines(read, "reads", _READ), _lines(written, "writes", _WRITTEN)]


def _sheet(drawn: Sequence[Growing]) -> Sheet:
    height, width = drawn[0].canvases.shape[2:]
    return Sheet(height, width, columns=len(drawn))


def _rows(drawn: Sequence[Growing], step: int) -> list[Image]:
    """The images, if there are any, and the canvases after so many steps, each `[N, C, height, width]`."""
    canvases = np.stack([one.canvases[step] for one in drawn])
    images = [one.image for one in drawn if one.image is not None]
    return [np.stack(images), canvases] if images else [canvases]


def _box(sheet: Sheet, number: int, box: Numbers) -> Points:
    """A box over the image of that number, as far as it lies in it; nothing without one."""
    if not len(box):
        return []
    down, across = sheet.corner(number)
    image = (across - 0.5, down - 0.5, across + sheet.width - 0.5, down + sheet.height - 0.5)
    return outline((box[0] + [across, down, across, down]).tolist(), image)


def _lines(boxes: Sequence[Points], name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        **coordinates(boxes), mode="lines", name=name, line={"color": colour, "width": 2}, hoverinfo="skip",
        showlegend=any(boxes),
    )  # fmt: skip


def _names(drawn: Sequence[Growing]) -> list[dict[str, Any]]:
    """What each image is called, below its canvas."""
    sheet, rows = _sheet(drawn), len(_rows(drawn, 0))
    places = [sheet.under(len(drawn) * (rows - 1) + number) for number in range(len(drawn))]
    return [
        {
            "x": across, "y": down, "text": html.escape(one.name), "showarrow": False, "yanchor": "top",
            "font": {"size": 11},
        }
        for one, (across, down) in zip(drawn, places, strict=True)
    ]  # fmt: skip


def _play() -> dict[str, Any]:
    moving = {"frame": {"duration": 400, "redraw": True}, "fromcurrent": False, "transition": {"duration": 0}}
    return {
        "type": "buttons", "x": 0, "y": 0, "xanchor": "left", "yanchor": "top", "pad": {"t": 34}, "showactive": False,
        "buttons": [{"label": "\u25b6 draw", "method": "animate", "args": [None, moving]}],
    }  # fmt: skip
