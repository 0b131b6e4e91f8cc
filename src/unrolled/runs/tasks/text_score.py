"""How well a language model predicts a text that the user names. Reads the text, changes nothing."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from unrolled.data import PADDING, Streams, Vocabulary, encode_with, found, reading
from unrolled.errors import DataError, RunError
from unrolled.models import LanguageModel
from unrolled.rounding import rounded
from unrolled.runs.tasks.perplexity import perplexity_of
from unrolled.training import mean_nats

_TOLD = 20  # kinds of symbols that were never seen


@dataclass(frozen=True)
class TextScore:
    """How well a run predicts a text, per character (`perplexity`, too: e to the power of `nats_per_char`).

    `chars` are those that were predicted; `unseen` says how often each unknown symbol was left out.
    """

    nats_per_char: float
    bits_per_char: float
    perplexity: float
    chars: int
    unseen: dict[str, int]

    def rows(self) -> dict[str, str]:
        """The same for reading, by name."""
        rows = {
            "nats per character": rounded(self.nats_per_char),
            "bits per character": rounded(self.bits_per_char),
            "perplexity": rounded(self.perplexity),
            "characters": f"{self.chars:,}",
        }
        if self.unseen:
            listed = ", ".join(f"{symbol!r} x {count}" for symbol, count in list(self.unseen.items())[:_TOLD])
            rows["never seen, left out"] = f"{sum(self.unseen.values()):,} ({listed})"
        return rows


def score_of_text(model: LanguageModel, vocabulary: Vocabulary, places: Sequence[str]) -> TextScore:
    """How well a model predicts the text in these places.

    Raises:
        DataError: no text, or one with nothing to predict. RunError: the model gives no finite numbers.
    """
    with found(places) as sources, tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
        text = encode_with(sources, vocabulary, Path(folder))
        (ids,) = text.texts()
        if len(ids) < 2:
            raise DataError(
                f"{text.about.name} has {len(ids)} {vocabulary.unit}s that the model knows: at least 2 are needed, one"
                " to read and one to predict"
            )
        return score_of(model, vocabulary, text.about.name, [reading(ids)], text.unseen)


def score_of(
    model: LanguageModel,
    vocabulary: Vocabulary,
    name: str,
    texts: Sequence[Streams],
    unseen: Mapping[str, int] = MappingProxyType({}),
) -> TextScore:
    """How well a model predicts all targets of these texts, which are called so.

    Raises:
        DataError: there is nothing to predict. RunError: the model gives no finite numbers.
    """
    symbols, chars = 0, 0
    for streams in texts:
        for number in range(streams.chunks):
            targets = streams.chunk(number).targets.numpy()
            real = targets[targets != PADDING]
            symbols, chars = symbols + len(real), chars + vocabulary.characters(real)
    if chars == 0:
        raise DataError(f"no character begins in {name}: there is nothing to count losses by")
    nats = mean_nats(model, texts)
    assert nats is not None, "nobody says stop"
    if not math.isfinite(nats):
        raise RunError(f"the run's model gives no finite numbers on {name}: its loss is {nats}")
    nats_per_char = nats * symbols / chars
    bits = nats_per_char / math.log(2)
    return TextScore(nats_per_char, bits, perplexity_of(nats_per_char), chars, dict(unseen))
