"""Attention over images as pictures, and images with what was said of them. Knows pixels, words and weights only."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from unrolled.inspection.drawing import BLACK, RIGHT, WRONG, laid_out, shortened, sliding
from unrolled.inspection.gaze import Gaze

_FINEST = 96  # pixels of an image that is shown, along its longer side
_GAP = 3  # pixels between two images
_WHITE = 255
_BELOW = 0.7  # of an image's width: room for lines of text
_DIM = 0.85  # of what is not looked at, towards white
_TINT = np.array([213, 94, 0], dtype=np.float64)  # of what is looked at
_TINTED = 0.6
_ROW = 175  # pixels of a page that a row of images takes, with what is said of them
_IN_A_ROW = 5
_LETTERS = 22  # of a line below an image
_LINES = 2  # of what is said, and as many of what is right
_FRAME = 190  # the shade of the line around an image: many are white
_RGB = 3

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Captured:
    """An image, uint8 `[C, height, width]`, what was said of it, what it is, and whether that is the same."""

    pixels: Pixels
    said: str
    truth: str
    is_right: bool


def gazes(shown: Sequence[Gaze]) -> go.Figure:
    """Each image, and beside it once more for each piece: what was looked at before it stands out; a slider goes on.

    `shown` is not empty.
    """
    drawn = go.Figure(_of_gaze(shown[0]), frames=[_frame(one) for one in shown])
    drawn.update_layout(_layout(shown[0]))
    rows = max(-(-len(one.pieces) // _IN_A_ROW) for one in shown)
    laid_out(drawn, None, None).update_layout(
        height=_ROW * (rows + 1) + 110,
        margin={"l": 10, "r": 10, "t": 50, "b": 70},
        sliders=[sliding([one.name for one in shown])] if len(shown) > 1 else [],
    )
    return drawn


def gallery(shown: Sequence[Captured]) -> go.Figure:
    """Images, several in a row; below each what was said, and what is right where that is another. Not empty."""
    pixels = [coloured(one.pixels) for one in shown]
    labels = [_said(one) for one in shown]
    drawn = go.Figure(_panels(pixels, labels, [RIGHT if one.is_right else WRONG for one in shown]))
    rows = -(-len(shown) // _IN_A_ROW)
    return laid_out(drawn, None, None).update_layout(
        height=_ROW * rows + 40, margin={"l": 10, "r": 10, "t": 10, "b": 10}, **_axes(pixels[0], rows)
    )


def coloured(pixels: Pixels) -> Pixels:
    """An image `[C, height, width]` as red, green and blue `[height, width, 3]`, every so-many-th pixel of a large one.

    Of other channels than three the mean is shown.
    """
    every = -(-max(pixels.shape[1:]) // _FINEST)
    small = pixels[:, ::every, ::every]
    shown = small if len(small) == _RGB else small.mean(axis=0, keepdims=True).round().repeat(_RGB, axis=0)
    return np.ascontiguousarray(shown.astype(np.uint8).transpose(1, 2, 0))


def _said(one: Captured) -> str:
    said = _wrapped(one.said or "(nothing)")
    return said if one.is_right else f"{said}<br><i>is</i> {_wrapped(one.truth)}"


def _wrapped(text: str) -> str:
    """A text in a few lines, the last one cut off if there is more."""
    lines = textwrap.wrap(text, _LETTERS) or [""]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], " ".join(lines[_LINES - 1 :])]
    return "<br>".join(shortened(one, _LETTERS) for one in lines)


def _of_gaze(one: Gaze) -> list[go.Image | go.Scatter]:
    """The image, and what was looked at before each piece."""
    image = coloured(one.pixels)
    every = -(-max(one.pixels.shape[1:]) // _FINEST)
    seen = [_lit(image, weight) for weight in one.enlarged()[:, ::every, ::every]]
    labels = ["", *(html.escape(piece) for piece in one.pieces)]
    return _panels([image, *seen], labels, [BLACK] * len(labels), first_alone=True)


def _lit(image: Pixels, weight: NDArray[np.float32]) -> Pixels:
    """An image that is tinted where it was looked at, and pale elsewhere."""
    pale = image + (_WHITE - image) * (_DIM * (1 - weight[..., None]))
    strength = _TINTED * weight[..., None]
    lit: Pixels = (pale * (1 - strength) + _TINT * strength).round().astype(np.uint8)
    return lit


def _panels(
    pixels: Sequence[Pixels], labels: Sequence[str], colours: Sequence[str], *, first_alone: bool = False
) -> list[go.Image | go.Scatter]:
    """Images of one size in rows, a label below each. One unit is a pixel."""
    places = _places(len(pixels), first_alone=first_alone)
    height, width = pixels[0].shape[:2]
    down, across = _cell(pixels[0])
    rows = max(row for row, _ in places) + 1
    sheet = np.full((rows * down, _IN_A_ROW * across, _RGB), _WHITE, dtype=np.uint8)
    for image, (row, column) in zip(pixels, places, strict=True):
        top, left = row * down, column * across
        sheet[top : top + height + 2, left : left + width + 2] = _FRAME
        sheet[top + 1 : top + 1 + height, left + 1 : left + 1 + width] = image
    text = go.Scatter(
        x=[column * across + width / 2 for _, column in places],
        y=[row * down + round(1.05 * height) + 2 for row, _ in places],
        text=list(labels), mode="text", textposition="bottom center", textfont={"size": 11, "color": list(colours)},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    return [go.Image(z=sheet, hoverinfo="skip"), text]


def _places(count: int, *, first_alone: bool) -> list[tuple[int, int]]:
    """Row and column of each image; the first one can have a row of its own."""
    if first_alone:
        return [(0, 0), *((1 + number // _IN_A_ROW, number % _IN_A_ROW) for number in range(count - 1))]
    return [(number // _IN_A_ROW, number % _IN_A_ROW) for number in range(count)]


def _cell(image: Pixels) -> tuple[int, int]:
    """Height and width of an image with the room around it; below it there are up to four lines of text."""
    height, width = image.shape[:2]
    return round(height + _BELOW * width) + _GAP, round(1.15 * width) + _GAP


def _axes(image: Pixels, rows: int) -> dict[str, object]:
    down, across = _cell(image)
    return {
        "xaxis": {"visible": False, "range": [-0.5, _IN_A_ROW * across - 0.5], "constrain": "domain"},
        "yaxis": {
            "visible": False, "range": [rows * down - 0.5, -0.5], "scaleanchor": "x", "constrain": "domain",
            "constraintoward": "top",
        },
    }  # fmt: skip


def _layout(one: Gaze) -> dict[str, object]:
    rows = 1 + -(-len(one.pieces) // _IN_A_ROW)
    return {"title": {"text": html.escape(one.title), "font": {"size": 14}}, **_axes(coloured(one.pixels), rows)}


def _frame(one: Gaze) -> go.Frame:
    return go.Frame(name=one.name, data=_of_gaze(one), layout=_layout(one))
