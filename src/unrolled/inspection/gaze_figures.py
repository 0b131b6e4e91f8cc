"""Attention over images as pictures, and images with what was said of them. Knows pixels, words and weights only."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from unrolled.inspection.drawing import (
    BLACK,
    NARROW,
    RIGHT,
    WRONG,
    above,
    laid_out,
    shortened,
    sliding,
    titled,
    wrapped,
)
from unrolled.inspection.gaze import Gaze
from unrolled.inspection.sheet_drawing import picture, sheet_axes
from unrolled.inspection.sheets import Pixels, Sheet, coloured, thinned

_FINEST = 96  # pixels of an image that is shown, along its longer side
_BESIDE = 0.15  # of an image's width
_WHITE = 255
_DIM = 0.85  # of what is not looked at, towards white
_TINT = np.array([213, 94, 0], dtype=np.float64)  # of what is looked at
_TINTED = 0.6
_IN_A_ROW = 5
_VERDICTS = {True: RIGHT, False: WRONG, None: BLACK}
_FONT, _LINE = 11, 15  # pixels of the page: letters below an image, and a line of them
_UNDER = 5  # pixels of the page between an image and what is said of it
_LETTERS = 16  # of such a line
_LINES = 3  # of what is said, and as many of what is right
_SLIDER = 75  # pixels of the page


@dataclass(frozen=True)
class Captured:
    """An image, uint8 `[C, height, width]`, what was said of it, what it is, and whether that is the same.

    is_right: None where nobody knows what it is.
    """

    pixels: Pixels
    said: str
    truth: str
    is_right: bool | None


def gazes(shown: Sequence[Gaze]) -> go.Figure:
    """Each image, and behind it once more for each piece: what was looked at before it stands out; a slider goes on.

    `shown` is not empty; all images are of one size.
    """
    rows = _rows(1 + max(len(one.pieces) for one in shown))
    # (the slider lies above: what is long grows downwards, and nothing else moves)
    slides = len(shown) > 1
    room = above(one.title for one in shown) + _SLIDER * slides
    drawn = go.Figure(_of_gaze(shown[0]), frames=[_frame(one, room) for one in shown])
    slider = sliding([one.name for one in shown], "image ", y=1, yanchor="bottom", pad={"t": 0, "b": 10})
    return _sized(drawn, _sheet(_image(shown[0]), 1), rows, room).update_layout(
        annotations=[titled(shown[0].title, room)], sliders=[slider] * slides
    )


def gallery(shown: Sequence[Captured]) -> go.Figure:
    """Images, several in a row; below each what was said, and what is right where that is another. Not empty."""
    pixels = coloured(thinned(np.stack([one.pixels for one in shown]), _FINEST))
    labels = [_label(one) for one in shown]
    sheet = _sheet(pixels[0], max(label.count("<br>") + 1 for label in labels))
    colours = [_VERDICTS[one.is_right] for one in shown]
    drawn = go.Figure(_panels(sheet, pixels, labels, [_whole(one) for one in shown], colours))
    return _sized(drawn, sheet, _rows(len(shown)), 10)


def _sized(drawn: go.Figure, sheet: Sheet, rows: int, room: int) -> go.Figure:
    """The figure as tall as so many rows, with room above them."""
    return laid_out(drawn, None, None).update_layout(
        height=room + sheet.tall(rows, NARROW) + 10,
        margin={"l": 10, "r": 10, "t": room, "b": 10},
        **sheet_axes(sheet, rows),
    )


def _rows(panels: int) -> int:
    return -(-panels // _IN_A_ROW)


def _lines(one: Captured) -> tuple[str, str | None]:
    """What was said, and what is right where that is another."""
    return one.said or "(nothing)", f"is {one.truth}" if one.is_right is False else None


def _label(one: Captured) -> str:
    """Both, in a few lines each."""
    said, truth = _lines(one)
    label = wrapped(said, _LETTERS, _LINES)
    if truth is not None:
        label += "<br><i>is</i>" + wrapped(truth, _LETTERS, _LINES).removeprefix("is")
    return label


def _whole(one: Captured) -> str:
    """Both, not cut off."""
    return "<br>".join(html.escape(line) for line in _lines(one) if line)


def _of_gaze(one: Gaze) -> list[go.Image | go.Scatter]:
    """The image, and what was looked at before each piece."""
    image = _image(one)
    panels = [image, *(_lit(image, weight) for weight in thinned(one.enlarged(), _FINEST))]
    labels = ["", *(shortened(piece, _LETTERS) for piece in one.pieces)]
    wholes = ["", *(html.escape(piece) for piece in one.pieces)]
    return _panels(_sheet(image, 1), panels, labels, wholes, [BLACK] * len(labels))


def _image(one: Gaze) -> Pixels:
    image: Pixels = coloured(thinned(one.pixels[None], _FINEST))[0]
    return image


def _lit(image: Pixels, weight: NDArray[np.float32]) -> Pixels:
    """An image that is tinted where it was looked at, and pale elsewhere."""
    pale = image + (_WHITE - image) * (_DIM * (1 - weight[..., None]))
    strength = _TINTED * weight[..., None]
    lit: Pixels = (pale * (1 - strength) + _TINT * strength).round().astype(np.uint8)
    return lit


def _panels(
    sheet: Sheet,
    pixels: Sequence[Pixels] | Pixels,
    labels: Sequence[str],
    wholes: Sequence[str],
    colours: Sequence[str],
) -> list[go.Image | go.Scatter]:
    """Images on a sheet, a label below each, and what it says in full for who points at it."""
    under, gap = [sheet.under(place) for place in range(len(labels))], _UNDER / sheet.scale(NARROW)
    text = go.Scatter(
        x=[across for across, _ in under], y=[down + gap for _, down in under], text=list(labels), mode="text",
        textposition="bottom center", textfont={"size": _FONT, "color": list(colours)},
        hovertext=list(wholes), hoverinfo="text", showlegend=False,
    )  # fmt: skip
    return [picture(sheet.pixels(pixels)), text]


def _sheet(image: Pixels, lines: int) -> Sheet:
    """A sheet with room for so many lines below each image."""
    height, width = image.shape[:2]
    bare = Sheet(height, width, _IN_A_ROW, beside=round(_BESIDE * width))
    return replace(bare, below=math.ceil((_UNDER + lines * _LINE + _UNDER) / bare.scale(NARROW)))


def _frame(one: Gaze, room: int) -> go.Frame:
    return go.Frame(name=one.name, data=_of_gaze(one), layout={"annotations": [titled(one.title, room)]})
