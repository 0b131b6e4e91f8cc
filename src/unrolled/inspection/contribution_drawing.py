"""How contributions look, of words and of channels: colours, the head of an example, buttons. Measures nothing.

Blue speaks for what the model said, orange against it, white for neither; each example by its own largest number.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.inspection.drawing import shortened
from unrolled.inspection.example import ExampleRead, Numbers

# ColorBrewer's RdBu: its ends are told apart by everybody, and black letters can be read on them
AGAINST_AND_FOR = [[0.0, "#ef8a62"], [0.5, "#f7f7f7"], [1.0, "#67a9cf"]]
LINE = 22  # pixels
ROOM = 46  # pixels for the buttons
_LONGEST_NAME = 16  # of a class


def head_of(one: ExampleRead, classes: Sequence[str], note: str = "") -> list[str]:
    """The lines above an example: why it is shown, and what was said of it; what is to be known of its contributions.

    note: of the first line.
    """
    names = [shortened(name, _LONGEST_NAME) for name in classes]
    lines = [f"<b>{html.escape(one.name)}</b>" + (f" ({note})" if note else ""), one.verdict(names), one.doubt]
    return [line for line in lines if line]


def scaled(values: Numbers) -> Numbers:
    """Contributions as shares of the largest."""
    largest = float(np.abs(values).max(initial=0.0))
    return values / largest if largest > 0 else values


def method_buttons(views: Mapping[str, Sequence[tuple[Any, Any]]]) -> dict[str, Any]:
    """Buttons, one for each method, that change the colours and the hover texts of the first heat maps.

    views: method -> of each heat map, its colours and its texts.
    """
    buttons = []
    for name, maps in views.items():
        changes = {"z": [colours for colours, _ in maps], "text": [texts for _, texts in maps]}
        buttons.append({"label": name, "method": "restyle", "args": [changes, list(range(len(maps)))]})
    return {
        "type": "buttons", "direction": "right", "buttons": buttons, "x": 0, "xanchor": "left", "y": 1,
        "yanchor": "bottom", "pad": {"b": 4, "t": 0, "l": 0}, "font": {"size": 12},
    }  # fmt: skip
