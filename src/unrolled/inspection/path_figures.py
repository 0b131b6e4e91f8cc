"""What happens while an example is read: the path of the states, and what is said after each step. Measures nothing."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from unrolled.inspection.drawing import CLASS_COLOURS, cycled, laid_out, shortened
from unrolled.inspection.example import Cloud, ExampleRead, Numbers

_WORDS = 20  # that are written at the points of a path, or below the lines
_NAMED = 4  # classes whose colours are told
_SHOWN = 2  # paths that are drawn before somebody asks for more
_START, _END = "circle-open", "diamond"
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_LINES = 5  # classes whose probability is drawn
_HEIGHT, _ABOVE = 440, 120  # pixels: of the probabilities, and of the menu and three lines of a legend above them
_LONGEST = 12  # letters below a line, and of a class
_LIKELY = 0.02  # less than that a class never had: it is not drawn


def paths(examples: Sequence[ExampleRead], cloud: Cloud, classes: Sequence[str]) -> go.Figure | None:
    """The path of each example through the plane, from a circle to a diamond, among the states of others.

    Args:
        examples: whose `path` lies in the plane.
        cloud: what else lies there, coloured by its class; a path has the colour of what its example is.
        classes: their names.
    """
    if not examples:
        return None
    drawn = go.Figure()
    for line in _others(cloud, classes):
        drawn.add_scatter(**line)
    for number, one in enumerate(examples):
        drawn.add_scatter(**_path(one, number, classes))
    first, second = (f"component ({share:.0%} of the variance)" for share in cloud.shares)
    return laid_out(drawn, f"first {first}", f"second {second}").update_layout(height=460)


def _others(cloud: Cloud, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The cloud, a trace for each colour; what colours mean is told where they are few."""
    colours = cloud.classes % len(CLASS_COLOURS)
    for number in sorted(set(colours.tolist())):
        points, of = cloud.points[colours == number].round(3), cloud.classes[colours == number].tolist()
        yield {
            "x": points[:, 0].tolist(), "y": points[:, 1].tolist(), "mode": "markers",
            "name": shortened(classes[of[0]], _LONGEST), "showlegend": len(classes) <= _NAMED,
            "marker": {"color": CLASS_COLOURS[number], "size": 4, "opacity": 0.3},
            "text": [html.escape(classes[place]) for place in of],
            "hovertemplate": "another example of %{text}<extra></extra>",
        }  # fmt: skip


def _path(one: ExampleRead, number: int, classes: Sequence[str]) -> dict[str, Any]:
    points, last = one.path.round(3), len(one.path) - 1
    colour = cycled(CLASS_COLOURS, one.truth)
    words = [html.escape(text) for text in one.steps]
    every = max(1, -(-len(words) // _WORDS))
    return {
        "x": points[:, 0].tolist(), "y": points[:, 1].tolist(), "mode": "lines+markers+text",
        "name": f"{html.escape(one.name)}: {shortened(classes[one.truth], _LONGEST)}",
        "visible": True if number < _SHOWN else "legendonly",
        "text": [word if place % every == 0 or place == last else "" for place, word in enumerate(words)],
        "textposition": "top center", "textfont": {"size": 11, "color": colour},
        "line": {"color": colour, "width": 1.5, "dash": cycled(_DASHES, number)},
        "marker": {
            "color": colour,
            "symbol": [_START if not place else _END if place == last else "circle" for place in range(last + 1)],
            "size": [12 if place in (0, last) else 5 for place in range(last + 1)],
        },
        "customdata": [f"{one.step} {word}<br>{html.escape(one.name)}" for place, word in enumerate(words)],
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip


def chances(examples: Sequence[ExampleRead], classes: Sequence[str]) -> go.Figure | None:
    """How likely the classes were after each step, an example at a time: the menu has the others."""
    if not examples:
        return None
    drawn = go.Figure()
    of: list[int] = []
    for number, one in enumerate(examples):
        for place in _likely(one):
            drawn.add_scatter(**_line(one, place, classes), visible=number == 0)
            of.append(number)
    buttons = []
    for number, one in enumerate(examples):
        axis = {f"xaxis.{key}": value for key, value in _ticks(one).items()}
        shown = {"visible": [each == number for each in of]}
        buttons.append({"label": html.escape(one.name), "method": "update", "args": [shown, axis]})
    room = {"l": 60, "r": 10, "t": _ABOVE, "b": 95, "autoexpand": False}
    top = 1 + (_ABOVE - 2) / (_HEIGHT - room["t"] - room["b"])  # of the figure, where the lines end at 1
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": top, "yanchor": "top", "pad": {"t": 0, "l": 0}}
    laid_out(drawn, None, "probability").update_layout(updatemenus=[menu], margin=room, height=_HEIGHT)
    drawn.update_yaxes(range=[-0.03, 1.03])
    return drawn.update_xaxes(**_ticks(examples[0]))


def _likely(one: ExampleRead) -> list[int]:
    """The classes to be drawn: what was said, what is right, and those that were likely at some step."""
    most: Numbers = one.chances.max(axis=0)
    ranked = [int(place) for place in (-most).argsort(kind="stable") if most[place] >= _LIKELY]
    return list(dict.fromkeys([one.said, one.truth, *ranked]))[:_LINES]


def _line(one: ExampleRead, place: int, classes: Sequence[str]) -> dict[str, Any]:
    marks = ", ".join(["said"] * (place == one.said) + ["right"] * (place == one.truth))
    return {
        "x": list(one.after), "y": one.chances[:, place].round(4).tolist(), "mode": "lines+markers",
        "name": shortened(classes[place], _LONGEST) + f" ({marks})" * bool(marks), "marker": {"size": 5},
        "line": {"color": cycled(CLASS_COLOURS, place), "dash": "solid" if place in (one.said, one.truth) else "dot"},
        "text": [html.escape(one.steps[step]) for step in one.after],
        "hovertemplate": f"after {one.step} %{{text}}: %{{y:.3f}}<extra></extra>",
    }  # fmt: skip


def _ticks(one: ExampleRead) -> dict[str, Any]:
    """The axis of steps: the words themselves, every so many; of numbered steps what plotly chooses.

    Every key stands in both: what the menu does not name stays as the example before had it.
    """
    axis = {"title": {"text": one.step}, "range": [-0.5, len(one.steps) - 0.5]}
    if not one.is_text:
        return {**axis, "tickmode": "auto", "tickvals": None, "ticktext": None, "tickangle": None}
    shown = list(one.after)[:: max(1, -(-len(one.after) // _WORDS))]
    texts = [shortened(one.steps[step], _LONGEST) for step in shown]
    return {**axis, "tickmode": "array", "tickvals": shown, "ticktext": texts, "tickangle": -60}
