"""The pictures: what `account` measured, as plotly figures, which draw themselves in a notebook. Measures nothing.

Most are those of Karpathy, Johnson & Fei-Fei 2015 (Visualizing and Understanding Recurrent Networks); the
gradient is the lecture's "cute backprop signal video".
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from torch import Tensor

from unrolled.inspection.account import Account
from unrolled.inspection.behaviour import Behaviour
from unrolled.inspection.drawing import COLOURS, DIVERGING, cycled, laid_out, sliding
from unrolled.inspection.predictions import Predictions
from unrolled.inspection.telling import Telling

_MARKS = ("circle", "diamond", "square", "cross", "x", "triangle-up")
_LONGEST = 1e5  # steps: a memory that lasts for longer is drawn there
_FAINTEST = -6.0  # powers of ten below which a gradient is drawn as none
_FRAMES = 80  # of an animation at most
_LETTERS = 60  # in a line of coloured text


def figures_of(found: Account) -> dict[str, go.Figure]:
    """All pictures that there is something to draw for, by what they show."""
    return {title: figure for title, figure in _all(found) if figure is not None}


def _all(found: Account) -> Iterator[tuple[str, go.Figure | None]]:
    layers = found.behaviours
    if not found.symbols:
        yield "What the units that move most did", activity(found.units, found.step)
    yield "How saturated each unit's gates are", saturation(layers)
    yield "For how long each unit remembers", memories(layers, found.step)
    for layer in layers:
        for state in layer.signals:
            yield f"How a gradient goes back in {layer.name}.{state}", gradient(layer, state, found.step)
    if layers and layers[-1].signals:
        last = layers[-1]
        state, back = last.lasting()
        signals = {f"{last.name}.{state}": back, **found.fresh}
        yield f"The same, unit by unit: {last.name}, and fresh networks", gradient_film(signals, found.step)
    if found.predictions is not None:
        yield "Against n-gram models of the same text", ngrams(found.predictions)
        yield "The symbols that it expects better than they do, and worse", gains(found.predictions)
        yield "Closing brackets, by the distance to what they close", brackets(found.predictions)
        yield "What would have helped where it was wrong", errors(found.predictions)


def activity(units: Sequence[Telling], step: str = "step", most: int = 500) -> go.Figure | None:
    """What each unit was at the first steps, a line a unit, for its size: red below zero, blue above."""
    if not units:
        return None
    values = [one.values[:most].double() for one in units]
    scaled = [(one / one.abs().max().clamp(min=1e-6)).numpy().round(3).tolist() for one in values]
    names = [html.escape(one.unit) for one in units]
    drawn = go.Figure(go.Heatmap(z=scaled, y=names, zmin=-1, zmax=1, colorscale=DIVERGING, showscale=False))
    return laid_out(drawn, step, "units: red below 0, blue above").update_yaxes(type="category", showticklabels=False)


def saturation(layers: Sequence[Behaviour]) -> go.Figure | None:
    """Each unit of each gate: how often it is above 0.9, and how often below 0.1 (section 4.2). None without gates."""
    drawn = go.Figure()
    for number, layer in enumerate(layers):
        for mark, (name, gate) in enumerate(layer.gates.items()):
            drawn.add_scatter(
                x=_rounded(gate.right), y=_rounded(gate.left), mode="markers", name=html.escape(f"{layer.name}.{name}"),
                marker={"color": cycled(COLOURS, number), "symbol": cycled(_MARKS, mark), "size": 7, "opacity": 0.6},
                text=[html.escape(f"{layer.name}.{name}[{unit}]") for unit in range(len(gate.left))],
                hovertemplate="%{text}: open %{x:.0%}, shut %{y:.0%}<extra></extra>",
            )  # fmt: skip
    if not drawn.data:
        return None
    drawn.add_scatter(x=[0, 1], y=[1, 0], mode="lines", line={"color": "#999", "width": 1}, showlegend=False)
    return laid_out(drawn, "share of steps above 0.9", "share of steps below 0.1")


def memories(layers: Sequence[Behaviour], step: str = "step") -> go.Figure | None:
    """For how many steps each unit remembers, by the gate that keeps it: from the shortest to the longest."""
    drawn = go.Figure()
    for number, layer in enumerate(layers):
        for state, memory in layer.memories.items():
            steps, units = memory.steps.clamp(max=_LONGEST).sort()
            drawn.add_scatter(
                x=np.linspace(0, 1, len(steps)).round(4).tolist(), y=_rounded(steps), mode="lines+markers",
                name=html.escape(f"{layer.name}.{state}"), marker={"size": 4}, line={"color": cycled(COLOURS, number)},
                text=[html.escape(f"{layer.name}.{state}[{unit}]") for unit in units.tolist()],
                hovertemplate="%{text}: %{y:.3g} " + step + "s<extra></extra>",
            )  # fmt: skip
    if not drawn.data:
        return None
    return laid_out(drawn, "share of the units that remember for less", f"{step}s until 1/e is left", y_is_log=True)


def gradient(layer: Behaviour, state: str, step: str = "step") -> go.Figure:
    """|dL/d(state)| of each unit, going back from where a gradient was put in: powers of ten of its largest."""
    back = _powers(layer.signals[state])
    order = np.argsort(-back.sum(axis=0), kind="stable")
    drawn = go.Figure(
        go.Heatmap(
            z=back.T[order].round(2).tolist(),
            zmin=_FAINTEST,
            zmax=0,
            colorscale="Viridis",
            customdata=[[unit] * len(back) for unit in order.tolist()],
            colorbar={"title": "power of 10"},
            hovertemplate="unit %{customdata}, %{x} back: 10^%{z}<extra></extra>",
        )
    )
    return laid_out(drawn, f"{step}s back", "units, those whose gradient lasts first")


def gradient_film(signals: Mapping[str, Tensor], step: str = "step") -> go.Figure:
    """The same as a film: each unit is a square, and each picture one step further back.

    signals: name of a network -> `[T, B, U]`, from where the gradient was put in, back; they are shown side by side.
    """
    squares = {name: _square(_powers(signal)) for name, signal in signals.items()}
    length = min(len(back) for back in squares.values())
    shown = sorted({round(one) for one in np.geomspace(1, length, min(length, _FRAMES))})

    def pictures(back: int) -> list[go.Heatmap]:
        return [
            go.Heatmap(
                z=square[back - 1].tolist(), zmin=_FAINTEST, zmax=0, colorscale="Viridis", showscale=place == 0,
                xaxis=f"x{place + 1}", yaxis=f"y{place + 1}", name=name, hoverinfo="z+name",
                colorbar={"title": "power of 10"},
            )
            for place, (name, square) in enumerate(squares.items())
        ]  # fmt: skip

    drawn = go.Figure(pictures(1), frames=[go.Frame(data=pictures(back), name=str(back - 1)) for back in shown])
    share = 1 / len(squares)
    for place, name in enumerate(squares):
        axis = {"showticklabels": False, "showgrid": False, "zeroline": False}
        number = place + 1
        drawn.update_layout(
            {
                f"xaxis{number}": {
                    **axis,
                    "domain": [place * share, (place + 0.92) * share],
                    "title": html.escape(name),
                    "anchor": f"y{number}",
                },
                f"yaxis{number}": {**axis, "anchor": f"x{number}"},
            }
        )
    laid_out(drawn, None, None)
    room = {"l": 20, "r": 120, "t": 20, "b": 140, "autoexpand": False}  # (else plotly goes on looking for more)
    return drawn.update_layout(updatemenus=[_play()], sliders=[_slider(drawn, step)], margin=room)


def ngrams(found: Predictions) -> go.Figure:
    """The loss of n-gram models by n, that of networks with one hidden layer that see as much, and the network's."""
    orders = list(found.ngrams)
    drawn = go.Figure()
    drawn.add_scatter(
        x=orders, y=[round(one, 4) for one in found.ngrams.values()], name="n-gram", mode="lines+markers",
        marker={"color": COLOURS[1]},
    )  # fmt: skip
    drawn.add_scatter(
        x=[n + 1 for n in found.windows], y=[round(one, 4) for one in found.windows.values()], name="n-NN",
        mode="lines+markers", marker={"color": COLOURS[2]},
    )  # fmt: skip
    drawn.add_scatter(
        x=[orders[0], orders[-1]], y=[round(found.nats, 4)] * 2, name="this network", mode="lines",
        line={"color": COLOURS[0]},
    )  # fmt: skip
    return laid_out(drawn, "n", "nats per character")


def gains(found: Predictions, most: int = 24) -> go.Figure | None:
    """By symbol: how much likelier the network thinks it than the best n-gram model does, where it comes (4.3)."""
    half = [*found.gains[: most // 2], *found.gains[most // 2 :][-most // 2 :]]
    if not half:
        return None
    drawn = go.Figure(
        go.Bar(
            x=[html.escape(repr(one.symbol), quote=False) for one in half],
            y=[round(one.ours - one.theirs, 4) for one in half],
            marker={"color": [COLOURS[0] if one.ours > one.theirs else COLOURS[1] for one in half]},
            text=[one.count for one in half],
            textposition="none",
            hovertemplate="%{x}: %{y:+.3f} (%{text} of them)<extra></extra>",
        )
    )
    return laid_out(drawn, None, "mean probability, less the n-gram's").update_xaxes(type="category", tickangle=0)


def brackets(found: Predictions) -> go.Figure | None:
    """The mean probability of a closing bracket, by how far back it was opened (section 4.3)."""
    if not found.brackets:
        return None
    drawn = go.Figure()
    for number, name in enumerate(found.brackets[0].chances):
        drawn.add_scatter(
            x=[f"{one.least}-{one.most - 1}" for one in found.brackets],
            y=[round(one.chances[name], 4) for one in found.brackets],
            text=[one.count for one in found.brackets],
            hovertemplate="%{y:.3f} (%{text} brackets)<extra></extra>",
            mode="lines+markers", name=name, line={"color": cycled(COLOURS, number)},
        )  # fmt: skip
    return laid_out(drawn, "characters since it was opened", "mean probability").update_xaxes(type="category")


def errors(found: Predictions) -> go.Figure | None:
    """The errors, by the oracle that explains them (section 4.4)."""
    counts = found.errors.counts(by_kind=True)
    if not counts:
        return None
    pie = go.Pie(labels=list(counts), values=list(counts.values()), sort=False, textposition="inside")
    pie.update(textinfo="label+percent", insidetextorientation="horizontal")
    room = {"l": 20, "r": 20, "t": 20, "b": 20, "autoexpand": False}  # (see the film)
    return laid_out(go.Figure(pie), None, None).update_layout(margin=room, showlegend=False)


def coloured_text(symbols: Sequence[str], values: Tensor, *, letters: int = _LETTERS) -> go.Figure:
    """A text in which each symbol has the colour of a unit: red where it is lowest, blue where it is highest.

    Args:
        symbols: `[N]`.
        values: of one unit, `[N]`.
        letters: in a line.
    """
    count = len(symbols)
    lines = math.ceil(count / letters) or 1
    largest = float(values.abs().max()) if count else 1.0
    z = np.full((lines * letters,), np.nan)
    z[:count] = values.double().numpy()
    shown = [html.escape("\u21b5" if one == "\n" else one) for one in symbols] + [""] * (lines * letters - count)
    drawn = go.Figure(
        go.Heatmap(
            z=z.reshape(lines, letters).tolist(),
            zmin=-largest,
            zmax=largest,
            colorscale=DIVERGING,
            text=np.array(shown, dtype=object).reshape(lines, letters).tolist(),
            texttemplate="%{text}",
            textfont={"family": "monospace"},
            hovertemplate="%{text} %{z:.3f}<extra></extra>",
        )
    )
    hidden = {"visible": False}
    laid_out(drawn, None, None).update_layout(xaxis=hidden, yaxis={**hidden, "autorange": "reversed"})
    return drawn.update_layout(height=80 + 24 * lines)


def curves(by_step: Mapping[str, tuple[Sequence[int], Sequence[float]]], unit: str) -> go.Figure:
    """Curves over the steps of a training: name -> (steps, values in that unit)."""
    drawn = go.Figure()
    for number, (name, (x, y)) in enumerate(by_step.items()):
        mode = "lines+markers" if len(x) < 50 else "lines"
        drawn.add_scatter(x=list(x), y=list(y), name=name, mode=mode, line={"color": cycled(COLOURS, number)})
    return laid_out(drawn, "step", unit)


def _powers(signal: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The size of a gradient `[T, B, U]`, the mean over rows, as powers of ten of its largest: `[T, U]`."""
    size = signal.double().abs().mean(dim=1).numpy()
    largest = size.max() if size.size and size.max() > 0 else 1.0
    powers: np.ndarray[Any, np.dtype[np.float64]] = np.log10(np.maximum(size / largest, 10.0**_FAINTEST))
    return powers


def _square(back: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Units in rows, as nearly a square as they fill: `[T, rows, columns]`."""
    count = back.shape[1]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    padded = np.full((len(back), rows * columns), np.nan)
    padded[:, :count] = back.round(2)
    return padded.reshape(len(back), rows, columns)


def _play() -> dict[str, Any]:
    frame = {"frame": {"duration": 80, "redraw": True}, "fromcurrent": True, "transition": {"duration": 0}}
    stop = {"frame": {"duration": 0, "redraw": False}, "mode": "immediate"}
    buttons = [
        {"label": "play", "method": "animate", "args": [None, frame]},
        {"label": "stop", "method": "animate", "args": [[None], stop]},
    ]
    return {
        "type": "buttons", "direction": "left", "buttons": buttons, "x": 0, "y": -0.42, "xanchor": "left",
        "yanchor": "top", "showactive": False,
    }  # fmt: skip


def _slider(drawn: go.Figure, step: str) -> dict[str, Any]:
    return sliding([one.name for one in drawn.frames], f"{step}s back: ", y=-0.05, pad={"t": 20})


def _rounded(values: Tensor) -> list[float]:
    return [float(f"{one:.4g}") for one in values.tolist()]
