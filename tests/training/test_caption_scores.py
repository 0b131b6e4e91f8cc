"""Scores of captions, counted by hand from the papers' definitions, and what holds of any captions."""

from __future__ import annotations

from math import exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled import ConfigError
from unrolled.training.caption_scores import cider_d, exact_match, rouge_l, word_f1

EVERY = [cider_d, rouge_l, word_f1, exact_match]
MOST = {cider_d: 10.0, rouge_l: 1.0, word_f1: 1.0, exact_match: 1.0}

words = st.lists(st.sampled_from("abcde"), max_size=7)
example = st.tuples(words, st.lists(words, min_size=1, max_size=3))
examples = st.lists(example, min_size=1, max_size=5)

# Three captions. Words of how many: a 2, red 2, dog 2 (the third has it in both references), cat 1, blue 1; of every
# pair and triple of words in the references, 1.
SAID = [["a", "red", "dog"], ["blue", "blue", "blue", "dog"], ["red", "dog"]]
WANTED = [[["a", "red", "cat"]], [["a", "blue", "dog"]], [["red", "dog"], ["dog"]]]
ONE, TWO = log(3 / 1), log(3 / 2)  # the weight of what one of the three has (or none), and of what two have


def test_cider_d():
    """By eqs. 1 to 3 of section 5.

    The first: (a TWO, red TWO, dog TWO) against (a TWO, red TWO, cat ONE); pairs (a-red ONE, red-dog ONE) against
    (a-red ONE, red-cat ONE), a half; triples have nothing in common, fours there are none. Lengths are the same.

    The second: (blue 3 ONE, dog TWO) against (a TWO, blue ONE, dog TWO), 3 ONE cut to ONE above the line; pairs
    (blue-blue 2 ONE, blue-dog ONE) against (a-blue ONE, blue-dog ONE), 1 / sqrt(5 * 2). It is a word longer.

    The third: its first reference has the same words and pairs, and there are no triples; of the second, (dog TWO)
    against (red TWO, dog TWO), and a word fewer.
    """
    first = 2 * TWO**2 / (sqrt(3) * TWO * sqrt(2 * TWO**2 + ONE**2)) + 1 / 2
    second = (ONE**2 + TWO**2) / (sqrt(9 * ONE**2 + TWO**2) * sqrt(ONE**2 + 2 * TWO**2)) + 1 / sqrt(10)
    longer = exp(-(1**2) / (2 * 6**2))
    third = [1 + 1, longer / sqrt(2)]
    want = [10 * first / 4, 10 * longer * second / 4, 10 * (sum(third) / 2) / 4]
    assert cider_d(SAID, WANTED) == pytest.approx(want, rel=1e-12)


def test_cider_d_of_what_is_as_it_should_be():
    """All 10 with four words, a quarter less with three; nothing where all references have the same."""
    texts = ["a b c d", "e f g h i", "k l m"]
    same = [one.split() for one in texts]
    assert cider_d(same, [[one] for one in same]) == pytest.approx([10, 10, 7.5])
    assert cider_d(same[:1], [same[:1]]) == [0]
    assert cider_d(same[:1] * 3, [same[:1]] * 3) == [0, 0, 0]


def test_rouge_l():
    """Of "a red dog": a-red of "a red cat", P = R = 2/3.

    Of "blue blue blue dog": blue-dog of "a blue dog", P = 2/4, R = 2/3. Of "red dog": all of the first reference, all
    of the second is dog: P is 1 by the first, R by both.
    """
    f = 2.44 * (2 / 4) * (2 / 3) / (2 / 3 + 1.44 * 2 / 4)
    assert rouge_l(SAID, WANTED) == pytest.approx([2 / 3, f, 1])


def test_rouge_l_takes_the_largest_of_each():
    """P = 2/4 by "a b x y z", of which R is 2/5; R = 1 by "c", of which P is 1/4."""
    want = 2.44 * (2 / 4) * 1 / (1 + 1.44 * 2 / 4)
    assert rouge_l([list("abcd")], [[list("abxyz"), ["c"]]]) == [pytest.approx(want)]


def test_the_order_of_words_counts_for_rouge_l_and_not_for_f1():
    """Of c-b-a, one word follows the order of a-b-c."""
    assert rouge_l([list("cba")], [[list("abc")]]) == [pytest.approx(1 / 3)]
    assert word_f1([list("cba")], [[list("abc")]]) == [1.0]


def test_word_f1():
    """In both: a red, of 3 + 3; blue dog, of 4 + 3; of the third's references, the first is the better."""
    assert word_f1(SAID, WANTED) == pytest.approx([4 / 6, 4 / 7, 1])
    assert word_f1([["a", "a", "b"]], [[["a", "a", "a", "b", "b"], ["c"]]]) == [pytest.approx(6 / 8)]


def test_exact_match():
    assert exact_match(SAID, WANTED) == [0, 0, 1]
    assert exact_match([("red", "dog"), ["dog"]], [[["red", "dog"]], [["dogs"], ["dog"]]]) == [1, 1]


@pytest.mark.parametrize("score", EVERY)
@given(many=examples, data=st.data())
def test_of_any_captions(score, many, data):
    """Within its bounds; whatever the order of examples and of references; references may be there twice."""
    said, wanted = [one for one, _ in many], [others for _, others in many]
    found = score(said, wanted)
    assert all(0 <= one <= MOST[score] * (1 + 1e-12) for one in found)
    order = data.draw(st.permutations(range(len(many))))
    shuffled = score([said[row] for row in order], [data.draw(st.permutations(wanted[row])) for row in order])
    assert shuffled == pytest.approx([found[row] for row in order])
    assert score(said, [others * 2 for others in wanted]) == pytest.approx(found)


@pytest.mark.parametrize("score", EVERY)
@given(many=st.lists(words.filter(bool), min_size=1, max_size=5))
def test_nothing_is_better_than_the_reference_itself(score, many):
    """And with no word in common there is nothing."""
    wanted = [[one] for one in many]
    best = score(many, wanted)
    if score is not cider_d:
        assert best == pytest.approx([1.0] * len(many))
    assert all(one <= most + 1e-9 for one, most in zip(score(many[::-1], wanted), best, strict=True))
    assert score([["z"] * len(one) for one in many], wanted) == [0.0] * len(many)


@given(many=examples)
def test_cider_d_of_examples_that_are_all_there_twice(many):
    """Where the references have all that is said, what is rare stays as rare."""
    said, wanted = [others[0] for _, others in many], [others for _, others in many]
    assert cider_d(said * 2, wanted * 2) == pytest.approx(cider_d(said, wanted) * 2)


@pytest.mark.parametrize("score", EVERY)
def test_what_has_no_words(score):
    assert score([[], ["a"], ["b"]], [[["a"]], [[]], [["b"]]])[:2] == [0, 0]
    assert score([], []) == []


@pytest.mark.parametrize("score", EVERY)
@pytest.mark.parametrize(
    ("said", "wanted", "told"),
    [
        ([["a"], ["b"]], [[["a"]]], "2 captions have 1 lists"),
        ([["a"], ["b"]], [[["a"]], []], "caption 1 has no reference"),
        (["a cat"], [[["a", "cat"]]], "is a text"),
        ([["a", "cat"]], [["a cat"]], "is a text"),
    ],
)
def test_what_cannot_be_scored(score, said, wanted, told):
    with pytest.raises(ConfigError, match=told):
        score(said, wanted)
