"""Errors and brackets: each error has one explanation, and the explanations are those of the paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled import DataError
from unrolled.inspection.brackets import brackets_of, by_distance
from unrolled.inspection.oracles import breakdown, gains

TEXT = "the cat (sat) on the zebra, the zebra sat; unseen"
TRAINING = "the cat sat on the mat " * 10 + "zebra zebra"


def _explained(place, chance=0.3, ngrams=None):
    chances = np.ones(len(TEXT))
    chances[place] = chance
    ngrams = ngrams or {n: np.zeros(len(TEXT)) for n in (1, 2)}
    (one,) = breakdown(TEXT, chances, ngrams, TRAINING).oracle
    return one


@pytest.mark.parametrize(
    ("what", "place", "wanted"),
    [
        ("the second letter of a word that stands nearby", TEXT.index("zebra sat") + 1, "memory 100"),
        ("the first letter of the same word: rare, two times", TEXT.index("zebra sat"), "rare word 2"),
        ("within a word that was never seen", TEXT.index("unseen") + 3, "rare word 0"),
        ("the begin of a known word", TEXT.index("cat"), "word"),
        ("a bracket behind a space begins something, too", TEXT.index("(sat"), "word"),
        ("punctuation", TEXT.index(","), "punctuation"),
        ("a letter of a known word that stood nowhere before", TEXT.index("cat") + 1, "boost 0.2"),
        ("a space", TEXT.index(" cat"), "boost 0.2"),
    ],
)
def test_an_explanation(what, place, wanted):
    assert _explained(place) == wanted, what


def test_the_shortest_n_gram_comes_first():
    ngrams = {3: np.full(len(TEXT), 0.9), 2: np.full(len(TEXT), 0.6), 1: np.full(len(TEXT), 0.5)}
    assert _explained(5, ngrams=ngrams) == "n-gram 2"


def test_how_much_was_missing():
    place = TEXT.index(" cat")
    assert [_explained(place, chance) for chance in (0.45, 0.4, 0.1, 0.0)] == [
        "boost 0.1",
        "boost 0.1",
        "boost 0.4",
        "boost 0.5",
    ]


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from("ab \n'(),1_"), min_size=1, max_size=80), seed=st.integers(0, 1000))
def test_explanations_partition_the_errors(text, seed):
    chance = np.random.default_rng(seed)
    chances = chance.random(len(text))
    chances[0] = np.nan
    ngrams = {n: chance.random(len(text)) * 0.6 for n in range(1, 10)}
    found = breakdown(text, chances, ngrams, text[: len(text) // 2])
    assert sum(found.counts().values()) == len(found.errors) == int((chances[1:] < 0.5).sum())
    assert sum(found.counts(by_kind=True).values()) == len(found.errors)


def test_another_length_is_told():
    with pytest.raises(DataError, match="49 characters"):
        breakdown(TEXT, np.ones(3), {}, "")


def test_brackets():
    found = brackets_of("f(a[1], {2: ')'})  # (\n)", "python")
    text = "f(a[1], {2: ')'})  # (\n)"
    assert [(text[a], text[b]) for a, b in found.pairs] == [("[", "]"), ("{", "}"), ("(", ")")]
    assert (found.opened, found.wrong) == (3, 1)
    assert found.opened == len(found.pairs)
    crossed = brackets_of("([)]", "c")
    assert (len(crossed.pairs), crossed.opened, crossed.wrong) == (1, 2, 1)
    assert brackets_of("", "c").opened == 0


def test_closing_brackets_by_distance():
    text = "(a)" + "(" + "b" * 30 + ")" + "[" + "c" * 31 + "]"
    good = np.where(np.isin(list(text), list(")]")), 0.9, 0.1)
    good[2] = 0.5
    found = by_distance(text, {"good": good, "bad": np.zeros(len(text))}, bins=(1, 5, 10, 40, 80))
    assert [(one.least, one.most, one.count) for one in found] == [(1, 5, 1), (10, 40, 2)]
    assert found[0].chances == {"good": 0.5, "bad": 0.0}
    assert found[1].chances["good"] == pytest.approx(0.9)


def test_which_symbols_gain():
    text = "ab" * 30 + "c"
    ours = np.where(np.array(list(text)) == "a", 0.9, 0.2)
    theirs = np.full(len(text), 0.5)
    theirs[0] = np.nan
    found = gains(text, ours, theirs)
    assert [one.symbol for one in found] == ["a", "b"]
    assert found[0].count == 29
    assert found[0].ours == pytest.approx(0.9)
