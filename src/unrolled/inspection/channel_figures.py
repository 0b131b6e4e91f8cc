"""Maps of what each channel of each step contributed. Measures nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from unrolled.inspection.contribution_drawing import (
    AGAINST_AND_FOR,
    LINE,
    ROOM,
    head_of,
    method_buttons,
    scaled,
)
from unrolled.inspection.drawing import BLACK, laid_out
from unrolled.inspection.example import ExampleRead

_MOST = 30  # channels that are shown
_CHANNEL = 13  # pixels
_FOOT = 2 * LINE  # pixels below a map, for the numbers of the steps


def contribution_maps(examples: Sequence[ExampleRead], classes: Sequence[str], rows: Sequence[str]) -> go.Figure | None:
    """What each channel of each step contributed, a map for each example, one below the other. None without examples.

    Args:
        examples: read by the same methods.
        classes: their names.
        rows: what the channels are called, `[C]`; of many, those are shown that contributed most.
    """
    if not examples:
        return None
    methods = list(examples[0].contributions)
    channels = _largest([one.contributions[methods[0]] for one in examples])
    names = [rows[channel] for channel in channels]
    note = f"{len(channels)} of {len(rows)} channels" if len(channels) < len(rows) else ""
    heads = [head_of(one, classes, note) for one in examples]
    head = LINE * max(map(len, heads))
    views = {method: [_map(one, method, names, channels) for one in examples] for method in methods}
    high = max(2 * LINE, min(_CHANNEL * len(names), 8 * LINE))
    whole = (head + high + _FOOT) * len(examples)
    drawn = go.Figure()
    for number, one in enumerate(examples):
        top = 1 - ((head + high + _FOOT) * number + head) / whole
        axis = str(number + 1) if number else ""  # (as plotly counts them)
        colours, hovers = views[methods[0]][number]
        drawn.add_heatmap(
            z=colours, text=hovers, y=names, zmin=-1, zmax=1, colorscale=AGAINST_AND_FOR, showscale=False,
            hovertemplate="%{text}<extra></extra>", xaxis=f"x{axis}", yaxis=f"y{axis}",
        )  # fmt: skip
        _place(drawn, axis, (max(0.0, top - high / whole), top))
        _write_around(drawn, axis, one, top, heads[number])
    laid_out(drawn, None, None).update_layout(
        height=whole + ROOM,
        margin={"l": 70, "r": 10, "t": ROOM - 6, "b": 6, "autoexpand": False},
        updatemenus=[method_buttons(views)],
    )
    return drawn


def _largest(contributions: Sequence[Any]) -> list[int]:
    """The channels that contributed most in all, in their order; of each example `[T, C]`."""
    most = sum(np.abs(one).sum(axis=0) for one in contributions)
    return sorted(np.argsort(-most, kind="stable")[:_MOST].tolist())


def _place(drawn: go.Figure, axis: str, domain: tuple[float, float]) -> None:
    """Where a map lies in the figure."""
    drawn.update_layout(
        {
            f"xaxis{axis}": {"anchor": f"y{axis}", "domain": [0, 1], "fixedrange": True},
            f"yaxis{axis}": {
                "anchor": f"x{axis}", "domain": domain, "type": "category", "autorange": "reversed", "fixedrange": True,
            },
        }
    )  # fmt: skip


def _write_around(drawn: go.Figure, axis: str, one: ExampleRead, top: float, head: Sequence[str]) -> None:
    """The head above a map, and a box around the step of which something was said."""
    drawn.add_annotation(
        text="<br>".join(head), x=0, xref="paper", y=top, yref="paper", yanchor="bottom",
        xanchor="left", align="left", showarrow=False,
    )  # fmt: skip
    if one.at is not None:
        drawn.add_shape(
            type="rect", x0=one.at - 0.5, x1=one.at + 0.5, y0=0, y1=1, xref=f"x{axis}", yref=f"y{axis} domain",
            line={"color": BLACK, "width": 2},
        )  # fmt: skip


def _map(
    one: ExampleRead, method: str, names: Sequence[str], channels: Sequence[int]
) -> tuple[list[list[float]], list[list[str]]]:
    """Colours `[channels][T]`, and the texts to hover over."""
    values = one.contributions[method].T
    hovers = [
        [
            f"{one.step} {html.escape(text)}, {html.escape(name)}: {value:+.3f} nats"
            for text, value in zip(one.steps, values[channel], strict=True)
        ]
        for name, channel in zip(names, channels, strict=True)
    ]
    return scaled(values).round(3)[channels].tolist(), hovers
