"""How figures look: colours, margins, names of axes. Knows nothing of what is drawn."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import plotly.graph_objects as go

COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989")
DIVERGING = [[0.0, "#d1242f"], [0.5, "#ffffff"], [1.0, "#1f6feb"]]
# of classes, and of what is right and wrong: Okabe & Ito's, which everybody tells apart, and two of Tol's
CLASS_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5c5c5c", "#882255", "#999933", "#000000",
)  # fmt: skip
RIGHT, WRONG = CLASS_COLOURS[:2]
BLACK = "#1f2328"
NARROW = 540  # pixels: what a picture has for its width, without margins, on a page of any size but a phone's
STILL = "still"  # as a figure's `layout.meta`: a film that does not start by itself
_HEIGHT = 380
_TICK = 4
_TITLE_LETTERS, _TITLE_LINES, _TITLE_LINE = 70, 3, 19  # in a line; of a title; pixels of one


def laid_out(drawn: go.Figure, x: str | None, y: str | None, *, y_is_log: bool = False) -> go.Figure:
    """The figure in the house style, its axes called x and y."""
    drawn.update_layout(
        template="plotly_white", height=_HEIGHT, margin={"l": 60, "r": 20, "t": 20, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, font={"size": 13},
    )  # fmt: skip
    if x:
        drawn.update_xaxes(title=x)
    if y:
        drawn.update_yaxes(title=y)
    return drawn.update_yaxes(type="log") if y_is_log else drawn


def cycled(cycle: Sequence[str], number: int) -> str:
    """One after the other, from the beginning again at the end."""
    return cycle[number % len(cycle)]


def cut(text: str, letters: int) -> str:
    """A text of so many letters at most."""
    return text if len(text) <= letters else f"{text[: letters - 1]}\u2026"


def shortened(text: str, letters: int) -> str:
    """The same, in plotly's HTML."""
    return html.escape(cut(text, letters))


def wrapped(text: str, letters: int, most: int) -> str:
    """A text in lines of so many letters, in plotly's HTML; the last one of at most so many is cut off."""
    lines = textwrap.wrap(text, letters) or [""]
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return "<br>".join(shortened(one, letters) for one in lines)


def titled(text: str, room: int) -> dict[str, Any]:
    """An annotation: a title in a few lines, at the top of a figure that has so much room above; see `above`.

    (Plotly's own titles lose the top of their first line where there are two.)
    """
    return {
        "text": wrapped(text, _TITLE_LETTERS, _TITLE_LINES), "font": {"size": 14}, "align": "left", "showarrow": False,
        "x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "top", "yshift": room,
    }  # fmt: skip


def above(titles: Iterable[str]) -> int:
    """Room for the highest of these titles, in pixels."""
    return max(wrapped(one, _TITLE_LETTERS, _TITLE_LINES).count("<br>") + 1 for one in titles) * _TITLE_LINE + 15


def sliding(
    names: Sequence[str], prefix: str = "", *, first: int = 0, is_labelled: bool = False, **place: Any
) -> dict[str, Any]:
    """A slider that goes from frame to frame of a figure, by their names.

    Args:
        names: of the frames.
        prefix: what stands before the name of the one that is seen.
        first: the number of the one that is seen before anybody moves it.
        is_labelled: whether the names stand along it: short ones.
        place: where it lies, in plotly's words, if not below all.
    """
    now = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate", "transition": {"duration": 0}}
    return {
        "steps": [{"label": html.escape(one), "method": "animate", "args": [[one], now]} for one in names],
        "active": first, "x": 0, "len": 1, "y": 0, "pad": {"t": 30},
        "ticklen": _TICK, "minorticklen": _TICK,  # (alike: plotly leaves labels out as it likes)
        "currentvalue": {"prefix": prefix, "font": {"color": BLACK, "size": 13}},
        "font": {"color": BLACK if is_labelled else "rgba(0,0,0,0)"},
    } | place  # fmt: skip
