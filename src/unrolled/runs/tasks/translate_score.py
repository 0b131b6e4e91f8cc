"""How good a translator is: BLEU, chrF, whole matches, edits, nats. Trains nothing and reads no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unrolled.data import Lexicon, Spelling
from unrolled.errors import ConfigError
from unrolled.generation import Beam
from unrolled.models import Translator
from unrolled.rounding import rounded
from unrolled.runs.tasks.batches import nats_of
from unrolled.runs.tasks.kind import ShouldStop
from unrolled.runs.tasks.perplexity import perplexity_of
from unrolled.runs.tasks.translate_data import AboutTranslation, Translated
from unrolled.runs.tasks.translating import render


@dataclass(frozen=True)
class TranslationScore:
    """How good a translator is on so many pairs.

    bleu, chrf: of sacrebleu, 0 to 100, with their signatures; BLEU is 0 where all targets have fewer than four words.
    exact: the share of translations whose pieces are the target's. edits: how many pieces of the translations would
    have to be changed, added or removed, over the number of the targets' pieces (of phonemes: the phoneme error rate).
    nats: for each `unit` of the targets, ends included; all words that the vocabulary does not have count as one word,
    so a smaller one has fewer nats. With `--lower` capital
    letters do not count.
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
        return perplexity_of(self.nats)

    @property
    def by_name(self) -> dict[str, float]:
        """The scores of which the higher is the better."""
        return {"BLEU": self.bleu, "chrF": self.chrf, "exact match": self.exact}

    def rows(self) -> dict[str, str]:
        """The same for reading."""
        return {
            "BLEU": f"{rounded(self.bleu, 2)}  {self.signatures[0]}",
            "chrF": f"{rounded(self.chrf, 2)}  {self.signatures[1]}",
            "exact match": rounded(self.exact),
            f"{self.unit} error rate": rounded(self.edits),
            f"nats per {self.unit}": rounded(self.nats),
            "perplexity": rounded(self.perplexity, 3),
            "pairs": f"{self.count:,}",
        }


def check_scorers() -> None:
    """Check that the libraries that score are here.

    Raises:
        ConfigError: they are not.
    """
    try:
        import rapidfuzz  # noqa: F401
        import sacrebleu  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"translations are scored by the libraries sacrebleu and rapidfuzz: pip install"
            f" 'unrolled[translate]' ({error})"
        ) from error


def score_of(
    model: Translator,
    about: AboutTranslation,
    examples: Translated,
    beam: Beam,
    should_stop: ShouldStop = lambda: False,
) -> TranslationScore | None:
    """How good it is on these pairs; None if it was told to stop.

    Raises:
        GenerationError: the model's numbers are not finite.
    """
    nats = nats_of(model, examples, should_stop)
    said = None if nats is None else render(model, about, examples.sources, examples.inputs, beam, should_stop)
    if said is None or nats is None:
        return None
    texts, references = [ranked[0].text for ranked in said], [one.target for one in examples.texts]
    return score_of_texts(texts, references, about.target, nats)


def score_of_texts(
    texts: Sequence[str], references: Sequence[str], spelling: Spelling, nats: float
) -> TranslationScore:
    """The scores of translations beside their references, as the spelling of both has it: capital letters, or none."""
    from rapidfuzz.distance import Levenshtein
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    is_lower = isinstance(spelling, Lexicon) and spelling.lower
    bleu, chrf = BLEU(lowercase=is_lower, force=True), CHRF(lowercase=is_lower)
    of_all = bleu.corpus_score(texts, [references]), chrf.corpus_score(texts, [references])
    pieces = [(spelling.cut(one), spelling.cut(other)) for one, other in zip(texts, references, strict=True)]
    return TranslationScore(
        bleu=of_all[0].score,
        chrf=of_all[1].score,
        exact=sum(one == other for one, other in pieces) / len(pieces),
        edits=sum(Levenshtein.distance(*both) for both in pieces) / max(1, sum(len(wanted) for _, wanted in pieces)),
        nats=nats,
        count=len(texts),
        unit=spelling.unit,
        signatures=(str(bleu.get_signature()), str(chrf.get_signature())),
    )
