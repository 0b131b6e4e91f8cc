"""A video as a strip of frames, with what was said of each, and how surely. Measures nothing."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from unrolled.inspection.drawing import BLACK, RIGHT, WRONG, laid_out, shortened
from unrolled.inspection.example import Video
from unrolled.inspection.sheet_drawing import picture, sheet_axes
from unrolled.inspection.sheets import Sheet, coloured, thinned

_IN_A_ROW = 10  # frames: so many can be told apart in a window of 400 pixels
_MOST = 60  # frames that are shown
_FINEST = 64  # pixels of a frame, along its longer side
_WIDTH = 480  # pixels that a row of frames has where there is room
_LINE = 190  # pixels of height for the line
_LONGEST_LABEL = 7


def strip(video: Video, classes: Sequence[str]) -> go.Figure:
    """The first frames, a label under each: orange, with the right one, where it is wrong; below, how sure it was."""
    count = min(len(video.frames), _MOST)
    columns = min(count, _IN_A_ROW)
    frames = thinned(video.frames[:count], _FINEST)
    height, width = frames.shape[2:]
    sheet, rows = Sheet(height, width, columns, below=width), math.ceil(count / columns)
    drawn = go.Figure(picture(sheet.pixels(coloured(frames, limits=None))))
    under = [sheet.under(frame) for frame in range(count)]
    hovers = [_hover(video, frame, classes) for frame in range(count)]
    drawn.add_scatter(
        x=[across for across, _ in under], y=[down + sheet.below / 2 for _, down in under],
        text=[_label(video, frame, classes) for frame in range(count)], mode="text",
        textfont={"size": 10, "color": [BLACK if is_right else WRONG for is_right in video.is_right[:count]]},
        customdata=hovers, hovertemplate="%{customdata}<extra></extra>", showlegend=False,
    )  # fmt: skip
    _add_line(drawn, video, count, hovers)
    whole = sheet.tall(rows, _WIDTH) + _LINE
    axes = sheet_axes(sheet, rows)
    laid_out(drawn, None, None).update_layout(
        height=whole + 60,
        margin={"l": 44, "r": 10, "t": 30, "b": 40, "autoexpand": False},
        xaxis=axes["xaxis"] | {"fixedrange": True, "domain": [0, 1], "constraintoward": "center"},
        yaxis=axes["yaxis"] | {"fixedrange": True, "domain": [_LINE / whole, 1]},
        xaxis2={"anchor": "y2", "domain": [0, 1], "title": _counted(video, count), "range": [-0.5, count - 0.5]},
        yaxis2={"anchor": "x2", "domain": [0, (_LINE - 30) / whole], "title": "probability", "range": [-0.05, 1.05]},
    )
    return drawn


def _counted(video: Video, count: int) -> str:
    """What the axis is called: it says so where frames are left out."""
    return "frame" if count == len(video.frames) else f"frame (the first {count} of {len(video.frames):,})"


def _add_line(drawn: go.Figure, video: Video, count: int, hovers: Sequence[str]) -> None:
    """How likely what was said of each frame was: a line, with a mark of its own where it was wrong."""
    is_right = video.is_right[:count]
    chances = video.chances[:count].round(4).tolist()
    drawn.add_scatter(
        x=list(range(count)), y=chances, mode="lines", line={"color": "#8c959f", "width": 1.5}, hoverinfo="skip",
        showlegend=False, xaxis="x2", yaxis="y2",
    )  # fmt: skip
    for name, shown, colour, mark in (("right", is_right, RIGHT, "circle"), ("wrong", ~is_right, WRONG, "x")):
        places = np.flatnonzero(shown).tolist()
        drawn.add_scatter(
            x=places, y=[chances[place] for place in places], mode="markers", name=name, xaxis="x2", yaxis="y2",
            marker={"color": colour, "symbol": mark, "size": 8}, customdata=[hovers[place] for place in places],
            hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip


def _label(video: Video, frame: int, classes: Sequence[str]) -> str:
    said, truth = (shortened(classes[place], _LONGEST_LABEL) for place in (video.said[frame], video.truth[frame]))
    return f"{said}<br> " if video.is_right[frame] else f"\u2717 {said}<br>is {truth}"


def _hover(video: Video, frame: int, classes: Sequence[str]) -> str:
    said, truth = (html.escape(classes[place]) for place in (video.said[frame], video.truth[frame]))
    verdict = "right" if video.is_right[frame] else f"it is {truth}"
    return f"frame {frame}: said {said} ({video.chances[frame]:.2f}), {verdict}"
