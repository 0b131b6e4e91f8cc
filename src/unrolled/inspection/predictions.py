"""What a language model expects, against what n-gram models of the same training text expect. Knows texts, numbers.

Karpathy, Johnson & Fei-Fei 2015 (Visualizing and Understanding Recurrent Networks), sections 4.3 and 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled.inspection.brackets import ByDistance, by_distance
from unrolled.inspection.ngram import NGrams
from unrolled.inspection.oracles import Breakdown, Gain, breakdown, gains
from unrolled.inspection.reading import Expected
from unrolled.inspection.window import fit

ORDER = 9  # of the longest n-gram
_WINDOWS = (1, 2, 4)  # symbols that n-NN see
_STEPS = 1000  # of their training, at most


@dataclass(frozen=True)
class Predictions:
    """How well a model and n-gram models expect a text.

    nats: per character, of the model. ngrams: n -> the same of the n-gram model; windows: n -> of the network with one
    hidden layer that sees n symbols, as much as an n-gram model of n + 1. learned: of how many characters of the
    training text these are. gains: the symbols, those first that the model expects better than the best n-gram model
    does. brackets: closing ones by distance, the chances of "model" and "n-gram". errors: with what explains each.
    """

    nats: float
    ngrams: dict[int, float]
    windows: dict[int, float]
    learned: int
    gains: list[Gain]
    brackets: list[ByDistance]
    errors: Breakdown

    @property
    def best(self) -> int:
        """The n of the best n-gram model."""
        return min(self.ngrams, key=lambda n: self.ngrams[n])


def predictions(
    seen: Expected, text: str, ids: Tensor, vocab_size: int, training: tuple[str, NDArray[np.int64]]
) -> Predictions:
    """Hold what a model expected against what n-gram models do.

    Args:
        seen: what the model expected of the text.
        text: its characters.
        ids: their numbers, `[N]`.
        vocab_size: these are below it.
        training: what the model has learned from, as text and as numbers.
    """
    words, numbers = training
    counted = NGrams(numbers, vocab_size, ORDER)
    chances = {n: counted.shorter(n).probabilities(ids.numpy()) for n in range(1, counted.order + 1)}
    nats = {n: _nats(one) for n, one in chances.items()}
    steps = max(1, min(_STEPS, len(numbers) // 25))  # at most ten times through the text
    ours: NDArray[Any] = np.exp(-seen.nats.double().numpy())
    theirs = chances[min(nats, key=lambda n: nats[n])]
    return Predictions(
        float(seen.nats[1:].mean()),
        nats,
        {n: _nats(fit(numbers, n, vocab_size, steps=steps).probabilities(ids.numpy())) for n in _WINDOWS},
        len(numbers),
        gains(text, ours, theirs),
        by_distance(text, {"model": ours, "n-gram": theirs}),
        breakdown(text, ours, chances, words),
    )


def _nats(chances: NDArray[Any]) -> float:
    """The mean loss; the first character is unexpected."""
    return float(-np.log(chances[1:]).mean())
