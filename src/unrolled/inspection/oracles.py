"""What a model gets wrong, and what would have helped: oracles that explain errors, one after the other.

Karpathy, Johnson & Fei-Fei 2015 (Visualizing and Understanding Recurrent Networks), section 4.4. An error is a
character that had a probability below one half. Each belongs to the first oracle that explains it:

    n-gram        an n-gram model, n = 1 to 9, gave it more than one half
    memory        behind the first letter of a word that stands in the last 100, 500, 1,000, 5,000 characters,
                  also within another word
    rare word     it lies in a word that the training text has at most 0, 1 ... 5 times
    word          it begins a word: it follows a space, a quote or a newline
    punctuation   it is neither letter, digit nor white space
    boost         with 0.1, 0.2 ... 0.5 more it would have been right: one of these explains what is left
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.inspection.ngram import MOST

_MEMORIES = (100, 500, 1000, 5000)
_RAREST = 5
_BOOSTS = (0.1, 0.2, 0.3, 0.4, 0.5)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Breakdown:
    """errors: their places in the text. oracle: what explains each, as `memory 500`."""

    errors: NDArray[np.int64]
    oracle: list[str]

    def counts(self, *, by_kind: bool = False) -> dict[str, int]:
        """How many errors each oracle explains, in their order; `by_kind`: all memories together, and so on."""
        names = [name.rpartition(" ")[0] if by_kind and name[-1].isdigit() else name for name in self.oracle]
        counted = Counter(names)
        return {name: counted[name] for name in dict.fromkeys(_order(by_kind=by_kind)) if name in counted}


def _order(*, by_kind: bool) -> list[str]:
    numbered: dict[str, Sequence[float]] = {
        "n-gram": range(1, MOST + 1), "memory": _MEMORIES, "rare word": range(_RAREST + 1), "word": (),
        "punctuation": (), "boost": _BOOSTS,
    }  # fmt: skip
    if by_kind:
        return list(numbered)
    return [name for kind, numbers in numbered.items() for name in ([f"{kind} {one}" for one in numbers] or [kind])]


def breakdown(text: str, chances: NDArray[Any], ngrams: Mapping[int, NDArray[Any]], training: str) -> Breakdown:
    """The errors of a model on a text, each with the oracle that explains it.

    Args:
        text: N characters.
        chances: the model's probability of each, `[N]`; NaN (the first one) is no error.
        ngrams: n -> the probabilities of an n-gram model, `[N]`.
        training: the text that the model has learned from, for its words.

    Raises:
        DataError: probabilities of another length.
    """
    if any(len(one) != len(text) for one in (chances, *ngrams.values())):
        raise DataError(f"the text has {len(text):,} characters, and not every model a probability for each")
    errors = np.flatnonzero(np.asarray(chances) < 0.5)
    explaining = _Oracles(text, np.asarray(chances), ngrams, training)
    return Breakdown(errors, [explaining.of(int(place)) for place in errors])


class _Oracles:
    def __init__(self, text: str, chances: NDArray[Any], ngrams: Mapping[int, NDArray[Any]], training: str) -> None:
        self.text = text
        self.chances = chances
        self.ngrams = sorted(ngrams.items())
        self.known = Counter(_WORD.findall(training))
        self.begin = np.full(len(text), -1)
        self.end = np.full(len(text), -1)
        for word in _WORD.finditer(text):
            self.begin[word.start() : word.end()] = word.start()
            self.end[word.start() : word.end()] = word.end()

    def of(self, place: int) -> str:
        """What explains the error at that place."""
        return self._ngram(place) or self._memory(place) or self._rare(place) or self._kind(place) or self._boost(place)

    def _ngram(self, place: int) -> str:
        return next((f"n-gram {n}" for n, chances in self.ngrams if chances[place] > 0.5), "")

    def _memory(self, place: int) -> str:
        begin = int(self.begin[place])
        if begin < 0 or place == begin:
            return ""
        word = self.text[begin : self.end[place]]
        return next((f"memory {n}" for n in _MEMORIES if word in self.text[max(0, begin - n) : begin]), "")

    def _rare(self, place: int) -> str:
        begin = int(self.begin[place])
        if begin < 0:
            return ""
        times = self.known[self.text[begin : self.end[place]]]
        return f"rare word {times}" if times <= _RAREST else ""

    def _kind(self, place: int) -> str:
        one = self.text[place]
        if place and self.text[place - 1] in " \t\n'\"":
            return "word"
        return "" if one.isalnum() or one.isspace() or one == "_" else "punctuation"

    def _boost(self, place: int) -> str:
        missing = 0.5 - float(self.chances[place])
        return f"boost {next(one for one in _BOOSTS if missing <= one + 1e-12)}"


@dataclass(frozen=True)
class Gain:
    """A symbol: how often it stands in the text, and the mean probability that each of two models gave it."""

    symbol: str
    count: int
    ours: float
    theirs: float


def gains(text: str, ours: NDArray[Any], theirs: NDArray[Any], least: int = 20) -> list[Gain]:
    """The symbols that stand at least so often in a text, the one that a model expects better than the other first."""
    letters = np.array(list(text))
    is_known = np.isfinite(np.asarray(ours)) & np.isfinite(np.asarray(theirs))
    found = []
    for symbol in sorted(set(text)):
        here = (letters == symbol) & is_known
        if here.sum() >= least:
            found.append(Gain(symbol, int(here.sum()), float(ours[here].mean()), float(theirs[here].mean())))
    return sorted(found, key=lambda one: one.theirs - one.ours)
