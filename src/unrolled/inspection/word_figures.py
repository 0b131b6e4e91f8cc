"""Words, or characters, on the colours of what they contributed. Measures nothing."""

from __future__ import annotations

import html
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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

_COLUMNS = 44  # letters in a line: as many as a window of 400 pixels has room for
_MOST_LINES = 14  # of an example


def coloured_words(examples: Sequence[ExampleRead], classes: Sequence[str]) -> go.Figure | None:
    """The words, or characters, of examples, each on the colour of what it contributed. None without examples.

    Args:
        examples: read by the same methods, each with one contribution a step.
        classes: their names.
    """
    if not examples:
        return None
    page = _Page()
    for one in examples:
        page.add(one, classes)
    methods = list(examples[0].contributions)
    drawn = go.Figure(
        go.Heatmap(
            z=page.colours(methods[0]), text=page.hovers(methods[0]), zmin=-1, zmax=1, colorscale=AGAINST_AND_FOR,
            showscale=False, hoverongaps=False, hovertemplate="%{text}<extra></extra>", ygap=3,
        )
    )  # fmt: skip
    for texts, place, font in (
        (page.heads, "middle right", {"size": 13}),
        (page.words, "middle center", {"family": "monospace", "size": 12}),
    ):
        drawn.add_scatter(
            x=[one.x for one in texts], y=[one.y for one in texts], text=[one.text for one in texts], mode="text",
            textposition=place, textfont={"color": BLACK, **font}, hoverinfo="skip", showlegend=False,
            cliponaxis=False,
        )  # fmt: skip
    for mark in page.marked:
        drawn.add_shape(type="rect", line={"color": BLACK, "width": 2}, **mark)
    laid_out(drawn, None, None).update_layout(
        height=LINE * page.lines + ROOM,
        margin={"l": 6, "r": 6, "t": ROOM - 6, "b": 6, "autoexpand": False},
        updatemenus=[method_buttons({name: [(page.colours(name), page.hovers(name))] for name in methods})],
    )
    drawn.update_xaxes(visible=False, range=[-0.5, _COLUMNS - 0.5], fixedrange=True)
    return drawn.update_yaxes(visible=False, range=[page.lines - 0.5, -0.5], fixedrange=True)


@dataclass(frozen=True)
class _Text:
    """A text at a place: columns and lines, from the upper left."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class _Placed:
    """A word of an example: the cells from `start` to `end` of a line are its."""

    line: int
    start: int
    end: int
    step: int
    of: int


class _Page:
    """Examples one below the other, their words set in lines of `_COLUMNS` cells."""

    def __init__(self) -> None:
        self.lines = 0
        self.heads: list[_Text] = []
        self.words: list[_Text] = []
        self.marked: list[dict[str, float]] = []
        self._examples: list[ExampleRead] = []
        self._placed: list[_Placed] = []

    def add(self, one: ExampleRead, classes: Sequence[str]) -> None:
        """One example more: its head, its words, so many lines as are shown of them, an empty line."""
        for head in head_of(one, classes):
            self._remark(head)
        of, places = len(self._examples), list(_set(one))
        self._examples.append(one)
        shown = _in_view([line for line, _, _ in places], one.at)
        if shown.start > 0:
            self._remark(f"... {shown.start:,} before")
        first = self.lines - places[shown.start][0]
        for step in shown:
            line, start, end = places[step]
            self._place(_Placed(first + line, start, end, step, of))
        self.lines = first + places[shown[-1]][0] + 1
        if shown.stop < len(places):
            self._remark(f"... and {len(places) - shown.stop:,} more")
        self.lines += 1

    def _remark(self, text: str) -> None:
        """A line of its own."""
        self.heads.append(_Text(-0.5, self.lines, text))
        self.lines += 1

    def _place(self, word: _Placed) -> None:
        """A word, in a box if it is the one of which something is said."""
        one = self._examples[word.of]
        self._placed.append(word)
        self.words.append(_Text((word.start + word.end - 1) / 2, word.line, html.escape(_cut(one.steps[word.step]))))
        if word.step == one.at:
            self.marked.append(
                {"x0": word.start - 0.5, "x1": word.end - 0.5, "y0": word.line - 0.45, "y1": word.line + 0.45}
            )

    def colours(self, method: str) -> list[list[float | None]]:
        """Of each cell, `[lines][_COLUMNS]`; None where no word is."""
        shares = [scaled(one.contributions[method][:, 0]).round(3).tolist() for one in self._examples]
        return self._cells(lambda word: shares[word.of][word.step])

    def hovers(self, method: str) -> list[list[str | None]]:
        """The text to hover over of each cell."""

        def told(word: _Placed) -> str:
            one = self._examples[word.of]
            return f"{html.escape(one.steps[word.step])}: {one.contributions[method][word.step, 0]:+.3f} nats"

        return self._cells(told)

    def _cells(self, value: Any) -> list[list[Any]]:
        cells: list[list[Any]] = [[None] * _COLUMNS for _ in range(self.lines)]
        for word in self._placed:
            cells[word.line][word.start : word.end] = [value(word)] * (word.end - word.start)
        return cells


def _set(one: ExampleRead) -> Iterator[tuple[int, int, int]]:
    """The line of each word, where it begins in it and where it ends."""
    line = place = 0
    for text in one.steps:
        width = _width(_cut(text))
        if place + width > _COLUMNS:
            line, place = line + 1, 0
        yield line, place, place + width
        place += width + (0 if one.pieces_touch else 1)


def _in_view(lines: Sequence[int], at: int | None) -> range:
    """The words that are shown, given the line of each: from the first line, or so that the step `at` is among them."""
    wanted = 0 if at is None else lines[at]
    begin = 0 if wanted < _MOST_LINES else min(wanted - _MOST_LINES // 2, lines[-1] + 1 - _MOST_LINES)
    return range(bisect_left(lines, begin), bisect_left(lines, begin + _MOST_LINES))


def _cut(text: str) -> str:
    """A word as it is shown: one that is longer than a line is cut."""
    shown = "\u21b5" if text == "\n" else text
    if len(shown) > _COLUMNS:
        shown = f"{shown[: _COLUMNS - 1]}\u2026"
    while _width(shown) > _COLUMNS:
        shown = f"{shown[:-2]}\u2026"
    return shown


def _width(text: str) -> int:
    """How many cells a text takes: signs of the far East two each."""
    return max(1, sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text))
