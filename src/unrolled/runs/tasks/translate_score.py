"""How good a translator is: BLEU, chrF, whole matches, edits, nats. Trains nothing and reads no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from unrolled.errors import ConfigError
from unrolled.generation import Beam
from unrolled.models import Translator, evaluating
from unrolled.runs.tasks.translate_data import AboutTranslation, Translated
from unrolled.runs.tasks.translating import render

_AT_ONCE = 64  # pairs whose loss is measured side by side

ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class TranslationScore:
    """How good a translator is on so many pairs.

    bleu, chrf: of sacrebleu, 0 to 100, with their signatures. exact: the share of translations that are the target, to
    the letter. edits: how many pieces of the translations would have to be changed, added or removed, over the number
    of the targets' pieces (of phonemes: the phoneme error rate). nats: for each `unit` of the targets, ends included.
    """

    bleu: float
    chrf: float
    exact: float
    edits: float
    nats: float
    count: int
    unit: str
    signatures: tuple[str, str]

    @property
    def perplexity(self) -> float:
        """Between how many pieces it wavers, as it were."""
        return math.exp(min(self.nats, 700.0))

    @property
    def by_name(self) -> dict[str, float]:
        """The scores of which the higher is the better."""
        return {"BLEU": self.bleu, "chrF": self.chrf, "exact match": self.exact, f"{self.unit}s right": 1 - self.edits}

    def rows(self) -> dict[str, str]:
        """The same for reading."""
        return {
            "BLEU": f"{self.bleu:.2f}  {self.signatures[0]}",
            "chrF": f"{self.chrf:.2f}  {self.signatures[1]}",
            "exact match": f"{self.exact:.4f}",
            f"{self.unit} error rate": f"{self.edits:.4f}",
            f"nats per {self.unit}": f"{self.nats:.4f}",
            "perplexity": f"{self.perplexity:.3f}",
            "pairs": f"{self.count:,}",
        }


def check_scorers() -> None:
    """Check that the libraries that score are here.

    Raises:
        ConfigError: they are not.
    """
    try:
        import rapidfuzz
        import sacrebleu  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"translations are scored by the libraries sacrebleu and rapidfuzz: pip install"
            f" 'unrolled[translate]' ({error})"
        ) from error
    del rapidfuzz


def score_of(
    model: Translator,
    about: AboutTranslation,
    examples: Translated,
    beam: Beam,
    should_stop: ShouldStop = lambda: False,
) -> TranslationScore | None:
    """How good it is on these pairs; None if it was told to stop."""
    nats = _nats(model, examples, should_stop)
    said = None if nats is None else render(model, about, examples.sources, examples.inputs, beam, should_stop)
    if said is None or nats is None:
        return None
    best = [ranked[0] for ranked in said]
    pieces = [one.pieces for one in best], [about.target.cut(one.target) for one in examples.texts]
    references = [about.target.join(one) for one in pieces[1]]
    return score_of_texts([one.text for one in best], references, pieces, nats, about.unit)


@torch.no_grad()
def _nats(model: Translator, examples: Translated, should_stop: ShouldStop) -> float | None:
    """The loss of each symbol in the mean, ends included."""
    device = next(model.parameters()).device
    total, count = 0.0, 0
    with evaluating(model):
        for rows in examples.in_order(_AT_ONCE):
            if should_stop():
                return None
            batch = examples.batch(rows).to(device)
            losses = model.losses(batch.inputs, batch.lengths, batch.targets)
            total, count = total + float(losses.double().sum()), count + losses.numel()
    return total / count


def score_of_texts(
    texts: Sequence[str],
    references: Sequence[str],
    pieces: tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]],
    nats: float,
    unit: str,
) -> TranslationScore:
    """The scores of translations beside their references; `pieces`: of both."""
    from rapidfuzz.distance import Levenshtein
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    bleu, chrf = BLEU(), CHRF()
    of_all = bleu.corpus_score(texts, [references]), chrf.corpus_score(texts, [references])
    edits = sum(Levenshtein.distance(one, other) for one, other in zip(*pieces, strict=True))
    return TranslationScore(
        bleu=of_all[0].score,
        chrf=of_all[1].score,
        exact=sum(one == other for one, other in zip(texts, references, strict=True)) / len(texts),
        edits=edits / max(1, sum(map(len, pieces[1]))),
        nats=nats,
        count=len(texts),
        unit=unit,
        signatures=(str(bleu.get_signature()), str(chrf.get_signature())),
    )
