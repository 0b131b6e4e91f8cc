"""A page: sentences and pictures in one HTML file that works without a network. Knows nothing of what they are of.

Nothing is asked of any host: the page forbids itself to.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from string import Template
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from unrolled.inspection.drawing import STILL
from unrolled.inspection.words import Sentence


def page(
    title: str,
    facts: Sequence[str],
    told: Iterable[Sentence],
    pictures: Mapping[str, go.Figure],
    *,
    hint: str = "",
    text: Mapping[str, Any] | None = None,
    samples: Mapping[int, str] | None = None,
) -> str:
    """A page as HTML.

    Args:
        title: what it is about.
        facts: what else there is to say of it, in a line each.
        told: what was found, those about one thing together.
        pictures: by what they show.
        hint: how to read what was found.
        text: a text, and what the reader (`static/reader.js`) shows with it.
        samples: what a network wrote, by the training step.
    """
    parts = {
        "title": html.escape(title),
        "facts": "\n".join(f"<li>{html.escape(one)}</li>" for one in facts),
        "hint": f'<p class="hint">{html.escape(hint)}</p>' if hint else "",
        "words": "\n".join(_words(told)),
        "text": static("reader.html") if text else "",
        "pictures": "\n".join(_picture(number, *one) for number, one in enumerate(pictures.items())),
        "samples": _samples(samples or {}),
        "style": static("report.css"),
        "plotly": get_plotlyjs(),
        "data": _packed(text) if text else "",
        "reader": static("reader.js") if text else "",
    }
    return Template(static("report.html")).substitute(parts)


def static(name: str) -> str:
    """A file that pages are made of."""
    return (files("unrolled.inspection") / "static" / name).read_text(encoding="utf-8")


def _words(told: Iterable[Sentence]) -> list[str]:
    parts = []
    for about, group in groupby(told, key=lambda one: one.about):
        items = "".join(f"<li>{html.escape(one.text)}</li>" for one in group)
        parts.append(f"<h3>{html.escape(about)}</h3><ul>{items}</ul>")
    return parts


def _picture(number: int, title: str, figure: go.Figure) -> str:
    settings = {"displayModeBar": False, "responsive": True}  # (plotly's tools would lie over what stands on top)
    # (one with a slider alone stays where it is, as does one that says so)
    is_film = bool(figure.layout.updatemenus) and figure.layout.meta != STILL
    drawn = figure.to_html(
        full_html=False, include_plotlyjs=False, config=settings, div_id=f"picture-{number}", auto_play=is_film
    )
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{drawn}</figure>"


def _samples(samples: Mapping[int, str]) -> str:
    if not samples:
        return ""
    last = max(samples)
    each = [
        f"<details{' open' if step == last else ''}><summary>after {step:,} steps</summary>"
        f"<pre>{html.escape(text)}</pre></details>"
        for step, text in sorted(samples.items())
    ]
    return "<h2>What it wrote, by the step of its training</h2>" + "".join(each)


def _packed(data: Mapping[str, Any]) -> str:
    """JSON that may stand in a page: no `<` that could end it."""
    return json.dumps(data).replace("<", "\\u003c")
