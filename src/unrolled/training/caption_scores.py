"""How good captions are: CIDEr-D, ROUGE-L, word F1, exact matches. Pure functions of words; they know no models.

Each takes captions, cut into words, and the references of each caption, one or more, cut in the same way; it gives a
score for each caption, in their order. What has no words has nothing in common with anything. That there are as many
lists of references as captions, and none of them empty, and that a caption is words, no text, is checked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from statistics import fmean

from unrolled.errors import ConfigError

Words = Sequence[str]
References = Sequence[Words]  # of one caption
NGram = tuple[str, ...]

_LONGEST = 4  # words of an n-gram
_SIGMA = 6.0  # words: the width of CIDEr-D's penalty on another length
_TIMES = 10.0  # CIDEr-D's scale: 0 to 10
_BETA = 1.2  # of ROUGE-L: recall counts beta squared times as much as precision


def cider_d(captions: Sequence[Words], references: Sequence[References]) -> list[float]:
    """CIDEr-D of each caption, 0 to 10 (Vedantam, Zitnick & Parikh 2015, "CIDEr", section 5 and eqs. 1 to 3).

    The mean over n = 1 to 4 and over the references of the cosine of two vectors of n-grams: how often each occurs,
    times log(number of captions / number of those in whose references it occurs, or 1 if in none). Above the fraction
    line the caption's numbers are cut to the reference's; a difference of d words costs the factor exp(-d^2 / 72).

    As in the authors' program, by whose numbers others compare, counts are not divided by the length (eq. 1 does). What
    is in the references of every caption has no weight: a caption that stands alone has 0. One of fewer than four words
    has at most 2.5 for each, since it has no n-grams that are longer.

    Raises:
        ConfigError: see above.
    """
    _check(captions, references)
    weigh = partial(_Weighted, captions_with=_captions_with(references), count=len(captions))
    return [
        _TIMES * fmean(weigh(one).likeness(weigh(other)) for other in others)
        for one, others in zip(captions, references, strict=True)
    ]


class _Weighted:
    """The n-grams of words with their weights, a vector for each n; of `count` captions, some have an n-gram."""

    def __init__(self, words: Words, captions_with: Counter[NGram], count: int) -> None:
        self.length = len(words)
        self.vectors = [
            {gram: often * math.log(count / max(1, captions_with[gram])) for gram, often in _n_grams(words, n).items()}
            for n in range(1, _LONGEST + 1)
        ]

    def likeness(self, reference: _Weighted) -> float:
        """Between 0 and 1."""
        penalty = math.exp(-((self.length - reference.length) ** 2) / (2 * _SIGMA**2))
        return penalty * fmean(_clipped_cosine(*both) for both in zip(self.vectors, reference.vectors, strict=True))


def _clipped_cosine(one: Mapping[NGram, float], reference: Mapping[NGram, float]) -> float:
    norms = math.hypot(*one.values()) * math.hypot(*reference.values())
    product = sum(min(one.get(gram, 0.0), weight) * weight for gram, weight in reference.items())
    return product / norms if norms else 0.0


def _captions_with(references: Sequence[References]) -> Counter[NGram]:
    """Of how many captions the references have each n-gram."""
    found: Counter[NGram] = Counter()
    for ones in references:
        found.update({gram for words in ones for n in range(1, _LONGEST + 1) for gram in _n_grams(words, n)})
    return found


def _n_grams(words: Words, n: int) -> Counter[NGram]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def rouge_l(captions: Sequence[Words], references: Sequence[References]) -> list[float]:
    """ROUGE-L of each caption, 0 to 1 (Lin 2004, "ROUGE", section 3, with beta = 1.2 as captions are scored).

    Of the longest common subsequence the precision P, its share of the caption, and the recall R, its share of the
    reference: (1 + beta^2) P R / (R + beta^2 P). P and R are each the largest over the references, as in
    Chen et al. 2015 ("Microsoft COCO Captions", the program), which need not be of the same reference.

    Raises:
        ConfigError: see above.
    """
    _check(captions, references)
    return [_rouge(one, others) for one, others in zip(captions, references, strict=True)]


def _rouge(caption: Words, references: References) -> float:
    common = [(_common(caption, one), len(one)) for one in references]
    if not any(length for length, _ in common):
        return 0.0
    precision = max(length for length, _ in common) / len(caption)
    recall = max(length / count for length, count in common if count)
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _common(one: Words, other: Words) -> int:
    """How many words the longest common subsequence has; row by row of the table of both's beginnings."""
    row = [0] * (len(other) + 1)
    for word in one:
        before, row = row, [0]
        for (corner, above), theirs in zip(pairwise(before), other, strict=True):
            row.append(corner + 1 if word == theirs else max(above, row[-1]))
    return row[-1]


def word_f1(captions: Sequence[Words], references: Sequence[References]) -> list[float]:
    """The F1 of each caption's words, as often as they occur and in any order, with the best of its references.

    2 c / (words of the caption + words of the reference), of which c are in both: 0 to 1.

    Raises:
        ConfigError: see above.
    """
    _check(captions, references)
    return [max(_f1(one, other) for other in others) for one, others in zip(captions, references, strict=True)]


def _f1(one: Words, other: Words) -> float:
    return 2 * (Counter(one) & Counter(other)).total() / max(1, len(one) + len(other))


def exact_match(captions: Sequence[Words], references: Sequence[References]) -> list[float]:
    """1 for each caption that is one of its references, word by word, else 0.

    Raises:
        ConfigError: see above.
    """
    _check(captions, references)
    return [
        float(any(list(one) == list(other) for other in others))
        for one, others in zip(captions, references, strict=True)
    ]


def _check(captions: Sequence[Words], references: Sequence[References]) -> None:
    if len(captions) != len(references):
        raise ConfigError(f"{len(captions):,} captions have {len(references):,} lists of references: give one for each")
    for number, (one, others) in enumerate(zip(captions, references, strict=True)):
        if not others:
            raise ConfigError(f"caption {number} has no reference: give it one or more")
        if any(isinstance(words, str) for words in (one, *others)):
            raise ConfigError(f"caption {number} or a reference of it is a text: give its words, such as text.split()")
