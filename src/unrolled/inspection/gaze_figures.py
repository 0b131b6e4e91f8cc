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
from unrolled.inspection.sheets import Pixels, Sheet, coloured, thinned

_FINEST = 96  # pixels of an image that is shown, along its longer side
_BELOW, _BESIDE = 0.7, 0.15  # of an image's width: room for up to four lines of text
_WHITE = 255
_DIM = 0.85  # of what is not looked at, towards white
_TINT = np.array([213, 94, 0], dtype=np.float64)  # of what is looked at
_TINTED = 0.6
_ROW = 175  # pixels of a page that a row of images takes, with what is said of them
_IN_A_ROW = 5
_VERDICTS = {True: RIGHT, False: WRONG, None: BLACK}
_LETTERS = 22  # of a line below an image
_LINES = 2  # of what is said, and as many of what is right


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
    pixels = coloured(thinned(np.stack([one.pixels for one in shown]), _FINEST))
    labels = [_said(one) for one in shown]
    places, colours = range(len(shown)), [_VERDICTS[one.is_right] for one in shown]
    drawn = go.Figure(_panels(pixels, places, labels, colours))
    rows = -(-len(shown) // _IN_A_ROW)
    return laid_out(drawn, None, None).update_layout(
        height=_ROW * rows + 40, margin={"l": 10, "r": 10, "t": 10, "b": 10}, **_sheet(pixels[0]).axes(rows)
    )


def _said(one: Captured) -> str:
    said = _wrapped(one.said or "(nothing)")
    return f"{said}<br><i>is</i> {_wrapped(one.truth)}" if one.is_right is False else said


def _wrapped(text: str) -> str:
    """A text in a few lines, the last one cut off if there is more."""
    lines = textwrap.wrap(text, _LETTERS) or [""]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], " ".join(lines[_LINES - 1 :])]
    return "<br>".join(shortened(one, _LETTERS) for one in lines)


def _of_gaze(one: Gaze) -> list[go.Image | go.Scatter]:
    """The image in a row of its own, and below it what was looked at before each piece."""
    image = _image(one)
    seen = [_lit(image, weight) for weight in thinned(one.enlarged(), _FINEST)]
    labels = ["", *(html.escape(piece) for piece in one.pieces)]
    places = [0, *range(_IN_A_ROW, _IN_A_ROW + len(seen))]
    return _panels([image, *seen], places, labels, [BLACK] * len(labels))


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
    pixels: Sequence[Pixels] | Pixels, places: Sequence[int], labels: Sequence[str], colours: Sequence[str]
) -> list[go.Image | go.Scatter]:
    """Images of one size on a sheet, a label below each."""
    sheet = _sheet(pixels[0])
    under = [sheet.under(place) for place in places]
    text = go.Scatter(
        x=[across for across, _ in under], y=[down + 0.05 * sheet.height for _, down in under],
        text=list(labels), mode="text", textposition="bottom center", textfont={"size": 11, "color": list(colours)},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    return [sheet.laid(pixels, places), text]


def _sheet(image: Pixels) -> Sheet:
    height, width = image.shape[:2]
    return Sheet(height, width, _IN_A_ROW, below=round(_BELOW * width), beside=round(_BESIDE * width))


def _layout(one: Gaze) -> dict[str, object]:
    rows = 1 + -(-len(one.pieces) // _IN_A_ROW)
    return {"title": {"text": html.escape(one.title), "font": {"size": 14}}, **_sheet(_image(one)).axes(rows)}


def _frame(one: Gaze) -> go.Frame:
    return go.Frame(name=one.name, data=_of_gaze(one), layout=_layout(one))
