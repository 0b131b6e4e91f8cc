"""Attention as a picture: what was written down the side, the source along the top. Knows pieces and weights only."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from unrolled.inspection.alignment import Alignment
from unrolled.inspection.drawing import sliding

_SHADES = [[0.0, "#ffffff"], [1.0, "#0a3069"]]
_ROW, _MARGINS = 26, 190  # pixels
_LEAST, _MOST = 260, 900
_LETTER, _WIDEST = 8, 150


def alignments(shown: Sequence[Alignment]) -> go.Figure:
    """Attention over the source for each piece that was written, darker the more; a slider goes from one to the next.

    `shown` is not empty.
    """
    drawn = go.Figure([_map(shown[0])], frames=[_frame(one) for one in shown])
    drawn.update_layout(_layout(shown[0]))
    rows = max(len(one.written) for one in shown)
    drawn.update_layout(
        template="plotly_white",
        height=int(np.clip(rows * _ROW + _MARGINS, _LEAST, _MOST)),
        margin={"l": _margin(shown), "r": 20, "t": 90, "b": 90},
        font={"size": 13},
        sliders=[sliding([one.name for one in shown])] if len(shown) > 1 else [],
    )
    return drawn


def _margin(shown: Sequence[Alignment]) -> int:
    """Room for the longest piece that was written, in pixels."""
    longest = max(len(piece) for one in shown for piece in one.written)
    return min(_WIDEST, 24 + _LETTER * longest)


def _map(one: Alignment) -> go.Heatmap:
    sources = [html.escape(piece) for piece in one.source]
    hover = [
        [f"{html.escape(piece)}<br>{source}: {weight:.2f}" for source, weight in zip(sources, row, strict=True)]
        for piece, row in zip(one.written, one.weights.tolist(), strict=True)
    ]
    return go.Heatmap(
        z=one.weights.round(3).tolist(), zmin=0, zmax=1, colorscale=_SHADES, showscale=False, text=hover,
        hoverinfo="text", xgap=1, ygap=1,
    )  # fmt: skip


def _layout(one: Alignment) -> dict[str, Any]:
    """The pieces along both sides: numbers carry them, since a piece can come twice."""
    return {
        "title": {"text": html.escape(one.title), "font": {"size": 14}},
        "xaxis": _axis(one.source) | {"side": "top", "tickangle": -40 if max(map(len, one.source)) > 2 else 0},
        "yaxis": _axis(one.written) | {"range": [len(one.written) - 0.5, -0.5]},
    }


def _axis(pieces: Sequence[str]) -> dict[str, Any]:
    texts = [html.escape(one) if one.strip() else "\N{OPEN BOX}" for one in pieces]
    return {
        "tickvals": list(range(len(pieces))), "ticktext": texts, "range": [-0.5, len(pieces) - 0.5], "showgrid": False,
        "zeroline": False,
    }  # fmt: skip


def _frame(one: Alignment) -> go.Frame:
    return go.Frame(name=one.name, data=[_map(one)], layout=_layout(one))
