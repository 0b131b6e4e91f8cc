"""Glimpses as a picture: the path over the image, what was seen, and what was thought of it. Measures nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from unrolled.inspection.boxes import Box, Points, coordinates, outline
from unrolled.inspection.drawing import NARROW, above, cut, cycled, laid_out, sliding, titled
from unrolled.inspection.glimpses import Glimpses, Numbers
from unrolled.inspection.sheet_drawing import ACROSS, DOWN, picture
from unrolled.inspection.sheets import BYTES, Sheet, apart, coloured, thinned

_SHADES = [[0.0, "#ffffff"], [1.0, "#0a3069"]]
_OBJECTS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00")  # Okabe & Ito's that are seen on black and on white
_THREAD = "#8c959f"  # from glimpse to glimpse
_SHADOW = "0 0 2px #000000, 0 0 2px #000000"  # behind numbers: what they lie over may be white
_BORDER = "#59636e"  # of the image
_VEIL = "rgba(255,255,255,0.88)"  # over what is still to come
_BEYOND = 12  # of the longer side, one part is shown around the image
_FINEST = 256  # pixels of an image that is shown, along its longer side
_DIGITS = 2  # of a pixel, behind the point
_NEAR = 0.07  # of the longer side of what is shown: numbers nearer to each other would touch
_MOST_ROWS = 14  # symbols whose probabilities are shown
_LONGEST, _LETTER = 10, 6  # letters of such a symbol, and pixels of one
_BARE = {"showticklabels": False, "showgrid": False, "zeroline": False}
_MOST_TICKS = 15
_SPLIT, _BEFORE = 0.4, 20  # of the width: the image has what lies left of it; pixels from there to the longest name
_HIGHEST, _BETWEEN = 0.42, 0.04  # of the height: what was seen, and the gap below it
_TALL = 300  # pixels of the page: the image, and what lies beside it
_AXIS, _SLIDER = 40, 75  # pixels below it


def glimpses(shown: Glimpses) -> go.Figure:
    """The image, with the path to the last glimpse and what it covers; right of it what was seen, and what was thought.

    What was seen has a column for each glimpse and a row for each patch; below it stands how likely each symbol was
    then. A slider goes through the glimpses: what comes behind the chosen one is veiled. Several objects differ in
    colour, and lines part them. Around the image a margin is black: there is nothing.
    """
    count, likeliest = len(shown.boxes), _likeliest(shown)
    drawn = go.Figure([_image(shown), _seen(shown), _chances(shown, likeliest)])
    still = len(drawn.data)
    drawn.add_traces(_moving(shown, len(likeliest), count))
    moved = list(range(still, len(drawn.data)))
    names = [str(after) for after in range(1, count + 1)]
    drawn.frames = [
        go.Frame(name=name, data=_moving(shown, len(likeliest), after), traces=moved)
        for after, name in enumerate(names, start=1)
    ]
    slides = count > 1
    slider = sliding(names, "after glimpse ", first=count - 1, is_labelled=True, pad={"t": _AXIS})
    room = above([shown.verdict])
    return laid_out(drawn, None, None).update_layout(
        annotations=[titled(shown.verdict, room)],
        height=room + _TALL + _AXIS + _SLIDER * slides,
        margin={"l": 10, "r": 10, "t": room, "b": _AXIS + _SLIDER * slides, "autoexpand": False},
        showlegend=False,
        sliders=[slider] * slides,
        shapes=[_border(shown), *_ends(shown)],
        **_image_axes(shown),
        **_axes_beside(shown, likeliest),
    )


def _image_axes(shown: Glimpses) -> dict[str, Any]:
    """Of the image and its margin."""
    left, top, right, bottom = _area(shown)
    return {
        "xaxis": {**_BARE, **ACROSS, "domain": [0, _SPLIT], "range": [left, right]},
        "yaxis": {**_BARE, **DOWN, "range": [bottom, top], "scaleanchor": "x"},
    }


def _axes_beside(shown: Glimpses, likeliest: Sequence[int]) -> dict[str, Any]:
    """What was seen lies above what was thought, both right of the names; they share the axis of the glimpses."""
    names = [cut(shown.symbols[place], _LONGEST) for place in likeliest]
    start = _SPLIT + (_BEFORE + _LETTER * max(map(len, names))) / NARROW
    # (what was seen is as high as its squares are where the page is narrow, and less than half of all)
    count, scales = shown.seen.shape[:2]
    bottom = 1 - min(_HIGHEST, scales * (1 - start) * NARROW / count / _TALL)
    return {**_seen_axes(shown, start, bottom), **_symbol_axis(names, bottom - _BETWEEN)}


def _seen_axes(shown: Glimpses, start: float, bottom: float) -> dict[str, Any]:
    """Of what was seen: a unit is a patch and a line, a whole number the middle of a glimpse's column."""
    count, scales, _, size, _ = shown.seen.shape
    line = 0.5 / (size + 1)  # half of the line around a patch, in patches
    return {
        "xaxis2": {
            **_BARE, **ACROSS, "domain": [start, 1], "range": [0.5 - line, count + 0.5 + line], "anchor": "y3",
            "title": {"text": "glimpse", "font": {"size": 12}}, "showticklabels": True, "tickfont": {"size": 11},
            "tick0": 1, "dtick": -(-count // _MOST_TICKS), "tickangle": 0,
        },
        "yaxis2": {
            **_BARE, **DOWN, "domain": [bottom, 1], "range": [scales + line, -line], "scaleanchor": "x2",
            "anchor": "x2",
        },
    }  # fmt: skip


def _symbol_axis(names: Sequence[str], top: float) -> dict[str, Any]:
    """Of what was thought: a row for each symbol, whose name stands left of it."""
    return {
        "yaxis3": {
            **_BARE, "domain": [0, top], "range": [len(names) - 0.5, -0.5], "anchor": "x2",
            "showticklabels": True, "tickvals": list(range(len(names))), "ticktext": list(map(html.escape, names)),
            "tickfont": {"size": 10},
        },
    }  # fmt: skip


def _moving(shown: Glimpses, symbols: int, after: int) -> list[go.Scatter]:
    """What changes from glimpse to glimpse: the path, the last one's patches, and what is still to come."""
    colour, patches = _colour(shown, after - 1), _patches(shown, after - 1)
    fine, wide = (
        go.Scatter(
            **coordinates(boxes), mode="lines", hoverinfo="skip", line={"color": colour, "width": 2, "dash": dash}
        )
        for boxes, dash in ((patches[:1], "solid"), (patches[1:], "dot"))
    )
    scales = shown.seen.shape[1]
    veils = _veil(shown, after, (0, scales), "y2"), _veil(shown, after, (-0.5, symbols - 0.5), "y3")
    return [_path(shown, after), fine, wide, *veils]


def _patches(shown: Glimpses, glimpse: int) -> list[Points]:
    """Its boxes on plotly's axes, the finest first: there the first pixel lies from -0.5 to 0.5."""
    area = _area(shown)
    corners = ((left - 0.5, top - 0.5, side) for left, top, side in shown.boxes[glimpse].tolist())
    return [outline((left, top, left + side, top + side), area) for left, top, side in corners]


def _path(shown: Glimpses, after: int) -> go.Scatter:
    """The first glimpses, the last of them larger, and numbers where there is room for them."""
    places = shown.path[:after] - 0.5
    across, down = places.round(_DIGITS).T.tolist()
    colours = [_colour(shown, glimpse) for glimpse in range(after)]
    numbers = [str(glimpse + 1) for glimpse in range(after)]
    longer = max(shown.image.shape[1:]) + 2 * _margin(shown)
    has_number = _numbered(places, _NEAR * longer)
    return go.Scatter(
        x=across, y=down, mode="lines+markers+text", line={"color": _THREAD, "width": 1},
        text=[number if one else "" for number, one in zip(numbers, has_number, strict=True)],
        textposition="top center", textfont={"color": colours, "size": 11, "shadow": _SHADOW},
        marker={"color": colours, "size": [*[5] * (after - 1), 9], "opacity": 1}, customdata=numbers,
        hovertemplate="glimpse %{customdata}: %{x:.1f} across, %{y:.1f} down<extra></extra>",
    )  # fmt: skip


def _numbered(places: Numbers, near: float) -> list[bool]:
    """Which of them get a number: the last; then, from the first on, each that is not too near to those that do."""
    count = len(places)
    chosen: list[int] = []
    for place in dict.fromkeys([count - 1, *range(count)]):
        if all(np.abs(places[place] - places[other]).max() >= near for other in chosen):
            chosen.append(place)
    return [place in chosen for place in range(count)]


def _veil(shown: Glimpses, after: int, rows: tuple[float, float], axis: str) -> go.Scatter:
    """A rectangle over the columns of the glimpses that are still to come; nothing after the last."""
    left, right, (top, bottom) = after + 0.5, len(shown.boxes) + 0.5, rows
    has_more = left < right
    return go.Scatter(
        x=[left, right, right, left] * has_more, y=[top, top, bottom, bottom] * has_more, xaxis="x2", yaxis=axis,
        mode="lines", line={"width": 0}, fill="toself", fillcolor=_VEIL, hoverinfo="skip",
    )  # fmt: skip


def _colour(shown: Glimpses, glimpse: int) -> str:
    """That of its object."""
    return cycled(_OBJECTS, glimpse // shown.each)


def _margin(shown: Glimpses) -> int:
    """Pixels around the image that are shown: a multiple of how far apart those are that stand for all."""
    every, longer = apart(shown.image, _FINEST), int(max(shown.image.shape[1:]))
    return -(-longer // (_BEYOND * every)) * every


def _area(shown: Glimpses) -> Box:
    """Left, top, right and bottom of what is shown: the image and its margin."""
    margin, (height, width) = _margin(shown) + 0.5, shown.image.shape[1:]
    return -margin, -margin, width - 1 + margin, height - 1 + margin


def _image(shown: Glimpses) -> go.Image:
    """The image in its margin."""
    margin, every = _margin(shown), apart(shown.image, _FINEST)
    middle = (every - 1) / 2 - margin  # of the first pixel that is shown, and of those that it stands for
    around = np.pad(thinned(shown.image, _FINEST), ((0, 0), *[(margin // every,) * 2] * 2))
    return picture(coloured(around[None])[0], x0=middle, y0=middle, dx=every, dy=every)


def _border(shown: Glimpses) -> dict[str, Any]:
    height, width = shown.image.shape[1:]
    return {
        "type": "rect", "x0": -0.5, "y0": -0.5, "x1": width - 0.5, "y1": height - 0.5,
        "line": {"color": _BORDER, "width": 1},
    }  # fmt: skip


def _ends(shown: Glimpses) -> list[dict[str, Any]]:
    """Lines between the glimpses of two objects, through what was seen and what was thought."""
    return [
        {
            "type": "line", "x0": place + 0.5, "x1": place + 0.5, "y0": 0, "y1": 1, "xref": "x2",
            "yref": f"{axis} domain", "line": {"color": _BORDER, "width": 2},
        }
        for place in range(shown.each, len(shown.boxes), shown.each)
        for axis in ("y2", "y3")
    ]  # fmt: skip


def _seen(shown: Glimpses) -> go.Image:
    """All that was seen on one sheet, a column for each glimpse.

    A window may read more brightly than an image is: then the brightest that was seen is white.
    """
    steps, scales, channels, height, width = shown.seen.shape
    sheet = Sheet(height, width, columns=steps, gap=1)
    black, white = BYTES
    limits = black, max(white, float(shown.seen.max()))
    patches = coloured(shown.seen.swapaxes(0, 1).reshape(steps * scales, channels, height, width), limits)
    across, down = 1 / (width + 1), 1 / (height + 1)  # of a pixel, where a patch and its line are one unit
    return picture(sheet.pixels(patches), x0=0.5, y0=0, dx=across, dy=down, xaxis="x2", yaxis="y2")


def _likeliest(shown: Glimpses) -> list[int]:
    """The symbols that are shown, in their order."""
    found: list[int] = np.sort(np.argsort(-shown.chances.max(axis=0), kind="stable")[:_MOST_ROWS]).tolist()
    return found


def _chances(shown: Glimpses, likeliest: Sequence[int]) -> go.Heatmap:
    """A row for each symbol that is shown."""
    count = len(shown.chances)
    names = [html.escape(shown.symbols[place]) for place in likeliest]
    return go.Heatmap(
        z=shown.chances.T[likeliest].round(3).tolist(), x=list(range(1, count + 1)), y=list(range(len(names))),
        text=[[name] * count for name in names], zmin=0, zmax=1, colorscale=_SHADES, showscale=False, xgap=1, ygap=1,
        xaxis="x2", yaxis="y3", hovertemplate="%{text} after glimpse %{x}: %{z:.2f}<extra></extra>",
    )  # fmt: skip
