"""The report: what was found, as a page. Knows what the page's reader wants to know of a text; measures nothing.

The words come first; then the text, coloured by a unit (`static/reader.js` draws it); then the pictures. Large arrays
are packed (gzip, base64) and unpacked by the browser.
"""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from unrolled.inspection.account import Account
from unrolled.inspection.figures import figures_of
from unrolled.inspection.page import page
from unrolled.inspection.telling import Telling
from unrolled.inspection.words import Sentence, sentences

_LEVELS = 30  # steps of a unit's values between its lowest and its highest: what colours can show
_RARELY = 3  # times as large as that quantile is the largest value of a unit that is rarely on
_LONGEST = 100_000  # symbols of the text that are shown
_AROUND = (36, 8)  # symbols of a context before a peak and after it
_HINT = (
    "A cell's AUC says how often it is higher (or lower) where something is so than where it is not: 1 always, 0.5 as"
    " often as not. r is the correlation with a number. Chance is the best that was found in the same way in untrained"
    " networks and with shifted labels."
)


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
    return page(
        title,
        facts,
        sentences(found) if told is None else told,
        figures_of(found) if figures is None else figures,
        hint=_HINT,
        text=_text(found) if len(found.symbols) else None,
        samples=samples,
    )


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
