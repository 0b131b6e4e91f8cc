"""The report: what was found, in one HTML file that works without a network. Knows pages, measures nothing.

The words come first; then the text, coloured by a unit (`static/reader.js` draws it); then the pictures. Large arrays
are packed (gzip, base64) and unpacked by the browser. Nothing is asked of any host: the page forbids itself to.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from string import Template
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from unrolled.inspection.account import Account
from unrolled.inspection.drawing import STILL
from unrolled.inspection.figures import figures_of
from unrolled.inspection.telling import Telling
from unrolled.inspection.words import Sentence, sentences

_LEVELS = 30  # steps of a unit's values between its lowest and its highest: what colours can show
_RARELY = 3  # times as large as that quantile is the largest value of a unit that is rarely on
_LONGEST = 100_000  # symbols of the text that are shown
_AROUND = (36, 8)  # symbols of a context before a peak and after it


def report(
    found: Account,
    title: str,
    facts: Sequence[str] = (),
    figures: Mapping[str, go.Figure] | None = None,
    samples: Mapping[int, str] | None = None,
    told: Sequence[Sentence] | None = None,
) -> str:
    """A report as HTML.

    Args:
        found: what `account` found.
        title: what it was found in.
        facts: what else there is to say of it, in a line each.
        figures: the pictures, by what they show; None: all of `figures_of`.
        samples: what the network wrote, by the training step.
        told: what there is to say, those about one thing together; None: all of `sentences`.
    """
    pictures = figures_of(found) if figures is None else figures
    text = _text(found) if len(found.symbols) else None
    parts = {
        "title": html.escape(title),
        "facts": "\n".join(f"<li>{html.escape(one)}</li>" for one in facts),
        "words": "\n".join(_words(sentences(found) if told is None else told)),
        "text": _static("reader.html") if text else "",
        "pictures": "\n".join(_picture(number, *one) for number, one in enumerate(pictures.items())),
        "samples": _samples(samples or {}),
        "style": _static("report.css"),
        "plotly": get_plotlyjs(),
        "data": _packed(text) if text else "",
        "reader": _static("reader.js") if text else "",
    }
    return Template(_static("report.html")).substitute(parts)


def _static(name: str) -> str:
    return (files("unrolled.inspection") / "static" / name).read_text(encoding="utf-8")


def _words(told: Sequence[Sentence]) -> list[str]:
    parts = []
    for about, group in groupby(told, key=lambda one: one.about):
        items = "".join(f"<li>{html.escape(one.text)}</li>" for one in group)
        parts.append(f"<h3>{html.escape(about)}</h3><ul>{items}</ul>")
    return parts


def _picture(number: int, title: str, figure: go.Figure) -> str:
    settings = {"displaylogo": False, "responsive": True}
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


def _text(found: Account) -> dict[str, Any]:
    """What the reader shows: symbols, guesses, units and their values."""
    count = min(len(found.symbols), _LONGEST, *(len(one.values) for one in found.units))
    shown = list(found.symbols[:count])
    letters = list(found.alphabet) or sorted(set(shown))
    numbers = {letter: number for number, letter in enumerate(letters)}
    data: dict[str, Any] = {
        "letters": letters,
        "between": _between(letters),
        "step": found.step,
        "text": _blob(np.array([numbers[one] for one in shown], dtype="<u4")),
        "units": [_unit(one, shown, found) | _worth(one, found) for one in found.units],
        "values": _blob(np.concatenate([_levels(one.values.numpy()[:count]) for one in found.units])),
        "levels": _LEVELS,
    }
    if found.expected is not None:
        data |= {
            "guesses": _blob(found.expected.guesses[:count].numpy().astype("<u4")),
            "chances": _blob((found.expected.chances[:count].numpy() * 255).round().astype(np.uint8)),
            "best": found.expected.guesses.shape[1],
        }
    return data


def _between(symbols: Iterable[str]) -> str:
    """What stands between two symbols where they are read in a row: words that bring no space of their own need one."""
    bare = {symbol.removesuffix("\n") for symbol in symbols}
    has_space = any(one.endswith(" ") and one.strip() for one in bare)
    return " " if any(len(one) > 1 for one in bare) and not has_space else ""


def _unit(one: Telling, shown: Sequence[str], found: Account) -> dict[str, Any]:
    before, after = _AROUND
    between = _between(shown)
    largest = _largest(one.values.numpy())
    rule = one.rule
    return {
        "name": found.short(one.unit),
        "what": rule.label.what if rule else "",
        "score": round(rule.score, 2) if rule else None,
        "lowest": rule is not None and rule.score < 0,
        "largest": float(f"{largest:.3g}"),
        "peaks": [
            [
                place,
                between.join([*shown[max(0, place - before) : place], ""]),
                shown[place],
                between.join(["", *shown[place + 1 : place + 1 + after]]),
            ]
            for place in one.peaks
            if place < len(shown)
        ],
    }


def _worth(one: Telling, found: Account) -> dict[str, float]:
    """What holding the unit costs, in nats."""
    if found.ablated is None or one.unit not in found.ablated.units:
        return {}
    cost, error = found.ablated.cost(one.unit)
    return {"worth": round(cost, 4), "error": round(error, 4)} if math.isfinite(cost) else {}


def _largest(values: NDArray[Any]) -> float:
    """What has the full colour: all but a hundredth of the values are smaller; of a unit that is rarely on, all."""
    finite = np.abs(values[np.isfinite(values)])
    if not len(finite):
        return 1.0
    often, largest = float(np.quantile(finite, 0.99)), float(finite.max())
    return max(largest if largest > _RARELY * often else often, 1e-6)


def _levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Values as steps from 0, the lowest, by way of the middle, which is zero, to `_LEVELS`."""
    share = np.nan_to_num(values.astype(np.float64) / _largest(values), posinf=1.0, neginf=-1.0).clip(-1, 1)
    return np.asarray(((share + 1) / 2 * _LEVELS).round(), dtype=np.uint8)


def _blob(array: NDArray[Any]) -> str:
    return base64.b64encode(gzip.compress(np.ascontiguousarray(array).tobytes(), compresslevel=6, mtime=0)).decode()


def _packed(data: dict[str, Any]) -> str:
    """JSON that may stand in a page: no `<` that could end it."""
    return json.dumps(data).replace("<", "\\u003c")
