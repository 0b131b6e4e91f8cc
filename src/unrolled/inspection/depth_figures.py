"""The picture of depth: the gradient in each layer, a line a network. Measures nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from unrolled.inspection.drawing import COLOURS, cycled, laid_out


def gradients(by_layer: Mapping[str, Sequence[float]]) -> go.Figure:
    """Name of a network -> the norm of the gradient in each layer's weights, relative to the last's, from the first on.

    A logarithm has no zero: where a gradient is none at all the line has a gap.
    """
    drawn = go.Figure()
    for number, (name, norms) in enumerate(by_layer.items()):
        drawn.add_scatter(
            x=list(range(1, len(norms) + 1)), y=[float(f"{one:.4g}") or None for one in norms],
            name=html.escape(name), mode="lines+markers", marker={"size": 5},
            line={"color": cycled(COLOURS, number)}, hovertemplate="layer %{x}: %{y:.2e}",
        )  # fmt: skip
    laid_out(drawn, "layer", "gradient, relative to the last layer's", y_is_log=True)
    return drawn.update_yaxes(exponentformat="power")
