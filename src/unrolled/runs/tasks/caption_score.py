"""How good a captioner is: BLEU, CIDEr-D, ROUGE-L, word F1, exact matches, nats. Reads no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from unrolled.data import Spelling
from unrolled.errors import ConfigError
from unrolled.generation import Beam, Strategy
from unrolled.models import Captioner
from unrolled.rounding import rounded
from unrolled.runs.tasks.batches import nats_of
from unrolled.runs.tasks.caption_data import AboutCaptions, Captioned
from unrolled.runs.tasks.captioning import said_of, tell
from unrolled.runs.tasks.kind import ShouldStop
from unrolled.runs.tasks.perplexity import perplexity_of
from unrolled.training.caption_scores import cider_d, exact_match, rouge_l, word_f1

_GRAMS = 4


@dataclass(frozen=True)
class CaptionScore:
    """How good a captioner is on so many images.

    bleu: BLEU-1 to BLEU-4 of sacrebleu, 0 to 100, without smoothing, of the texts cut into the pieces that are learned;
    a caption is compared with all of its image's. cider: CIDEr-D, 0 to 10. rouge, f1: ROUGE-L, and F1 of the words, 0
    to 1. exact: the share of captions that are one of their image's. nats: for each `unit` of the captions, ends
    included; words that the vocabulary does not have count as one word.
    """

    exact: float
    f1: float
    bleu: tuple[float, ...]
    cider: float
    rouge: float
    nats: float
    count: int
    unit: str
    signature: str

    @property
    def by_name(self) -> dict[str, float]:
        """The scores of which the higher is the better."""
        return {"exact match": self.exact, "word F1": self.f1, "CIDEr-D": self.cider, "BLEU-4": self.bleu[-1]}

    def rows(self) -> dict[str, str]:
        """The same for reading."""
        bleu = {f"BLEU-{order}": rounded(value, 2) for order, value in enumerate(self.bleu, 1)}
        return {
            "exact match": rounded(self.exact),
            f"{self.unit} F1": rounded(self.f1),
            "CIDEr-D": rounded(self.cider),
            "ROUGE-L": rounded(self.rouge),
            **bleu,
            "signature": self.signature,
            f"nats per {self.unit}": rounded(self.nats),
            "perplexity": rounded(perplexity_of(self.nats), 3),
            "images": f"{self.count:,}",
        }


def check_scorer() -> None:
    """Check that the library that scores is here.

    Raises:
        ConfigError: it is not.
    """
    try:
        import sacrebleu  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"captions are scored by the library sacrebleu: pip install 'unrolled[images]' ({error})"
        ) from error


def score_of(
    model: Captioner,
    about: AboutCaptions,
    examples: Captioned,
    way: Beam | Strategy,
    should_stop: ShouldStop = lambda: False,
) -> CaptionScore | None:
    """How good it is on these images; None if it was told to stop.

    Raises:
        GenerationError: the model's numbers are not finite.
    """
    nats = nats_of(model, examples, should_stop)
    told = None if nats is None else tell(model, about, examples, way, should_stop)
    if told is None or nats is None:
        return None
    return score_of_texts(said_of(told), examples.texts, about.spelling, nats)


def score_of_texts(
    texts: Sequence[str], references: Sequence[Sequence[str]], spelling: Spelling, nats: float
) -> CaptionScore:
    """The scores of captions, each beside all that belong to its image, cut as the spelling has it."""
    captions = [spelling.cut(one) for one in texts]
    others = [[spelling.cut(one) for one in of_one] for of_one in references]
    bleu, signature = _bleu(captions, others)

    def mean(score: Callable[..., list[float]]) -> float:
        return fmean(score(captions, others))

    return CaptionScore(
        exact=mean(exact_match),
        f1=mean(word_f1),
        bleu=bleu,
        cider=mean(cider_d),
        rouge=mean(rouge_l),
        nats=nats,
        count=len(texts),
        unit=spelling.unit,
        signature=signature,
    )


def _bleu(
    captions: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> tuple[tuple[float, ...], str]:
    """BLEU of 1 to 4 words, and the signature by which others can compare."""
    from sacrebleu.metrics.bleu import BLEU

    most = max(map(len, references))
    streams: Any = [  # (where an image has fewer captions than another, sacrebleu takes None)
        [" ".join(of_one[place]) if place < len(of_one) else None for of_one in references] for place in range(most)
    ]
    texts = [" ".join(one) for one in captions]
    made = [
        BLEU(max_ngram_order=order, tokenize="none", smooth_method="none", force=True) for order in range(1, _GRAMS + 1)
    ]
    scores = tuple(one.corpus_score(texts, streams).score for one in made)
    return scores, str(made[-1].get_signature())
