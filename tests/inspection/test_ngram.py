"""n-gram models: probabilities that sum to one, and those that a slow count by hand gives."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled import ConfigError, DataError
from unrolled.inspection.ngram import NGrams

TEXT = "the cat sat on the mat; the cat ate the rat that sat on the mat. a rat at that!"


def _ids(text):
    symbols = sorted(set(text))
    return [symbols.index(one) for one in text], len(symbols)


def _by_hand(ids, symbols, order):
    """p(symbol | context), by dictionaries, as the paper writes it."""
    grams = [Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)) for n in range(1, order + 1)]
    levels = []
    for n in range(1, order + 1):
        counts = dict(grams[n - 1])
        if n < order:
            behind = defaultdict(set)
            for gram in grams[n]:
                behind[gram[1:]].add(gram[0])
            counts = {gram: max(1, len(behind[gram])) for gram in counts}
        of = Counter(counts.values())
        share = of[1] / (of[1] + 2 * of[2]) if of[1] else 0
        discounts = [0.0]
        for k in (1, 2, 3):
            value = k - (k + 1) * share * of[k + 1] / of[k] if of[k] and of[1] else 0
            discounts.append(value if value > 0 else 0.5)
        levels.append((counts, discounts))

    def probability(context, symbol):
        if context is None:
            return 1 / symbols
        counts, discounts = levels[len(context)]
        shorter = probability(context[1:] if context else None, symbol)
        following = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == context}
        if not following:
            return shorter
        count, total = following.get(symbol, 0), sum(following.values())
        left = sum(discounts[min(one, 3)] for one in following.values()) / total
        return (count - discounts[min(count, 3)]) / total + left * shorter

    return probability


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_the_count_by_hand(order):
    ids, symbols = _ids(TEXT)
    model, slow = NGrams(ids, symbols, order), _by_hand(ids, symbols, order)
    other = [*ids[10:30], *ids[:9], 3, 3, 3]
    for text in (ids, other):
        want = [slow(tuple(text[max(0, i - order + 1) : i]), one) for i, one in enumerate(text)]
        np.testing.assert_allclose(model.probabilities(text), want, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4, 7])
def test_every_context_sums_to_one(order):
    ids, symbols = _ids(TEXT)
    model = NGrams(ids, symbols, order)
    for end in range(len(ids)):
        for context in (ids[:end], [*ids[:end][-2:], 0, 1], []):
            shares = model.distribution(context)
            assert abs(shares.sum() - 1) <= 1e-9
            assert (shares > 0).all()


def test_a_distribution_has_the_probabilities():
    ids, symbols = _ids(TEXT)
    model = NGrams(ids, symbols, 4)
    want = [model.distribution(ids[:i])[one] for i, one in enumerate(ids)]
    np.testing.assert_allclose(model.probabilities(ids), want, rtol=1e-12)
    every = [model.distribution(ids[:i]) for i in range(len(ids))]
    np.testing.assert_allclose(model.distributions(ids), every, rtol=1e-12)
    assert model.distributions([]).shape == (0, symbols)


@settings(max_examples=150, deadline=None)
@given(ids=st.lists(st.integers(0, 3), min_size=1, max_size=40), order=st.integers(1, 6))
def test_any_text(ids, order):
    """Also of one symbol, or in which nothing is rare: where the discounts are undefined."""
    model = NGrams(ids, 4, order)
    slow = _by_hand(ids, 4, model.order)
    for end in range(len(ids)):
        context = tuple(ids[max(0, end - model.order + 1) : end])
        shares = model.distribution(ids[:end])
        assert abs(shares.sum() - 1) <= 1e-9
        np.testing.assert_allclose(shares, [slow(context, one) for one in range(4)], rtol=1e-9)


def test_a_shorter_model_from_the_same_counts():
    ids, symbols = _ids(TEXT)
    model = NGrams(ids, symbols, 7)
    for order in (1, 3, 7):
        assert (model.shorter(order).probabilities(ids) == NGrams(ids, symbols, order).probabilities(ids)).all()
    with pytest.raises(ConfigError, match="no order 8"):
        model.shorter(8)


def test_longer_contexts_help_where_text_repeats():
    ids, symbols = _ids(TEXT * 20)
    cut = len(ids) // 2
    nats = [_nats(NGrams(ids[:cut], symbols, order), ids[cut:]) for order in (1, 2, 3, 6)]
    assert nats == sorted(nats, reverse=True)
    assert nats[0] < math.log(symbols)
    assert nats[-1] < 0.2


def test_it_writes():
    ids, symbols = _ids(TEXT * 5)
    model = NGrams(ids, symbols, 5)
    written = model.sample(200, seed=1, prompt=ids[:4])
    assert len(written) == 200
    assert (written == model.sample(200, seed=1, prompt=ids[:4])).all()
    assert _nats(NGrams(ids, symbols, 3), written) < 2


@pytest.mark.parametrize(
    ("ids", "order", "error"),
    [([], 3, DataError), ([0, 4], 3, DataError), ([-1], 3, DataError), ([[0]], 3, DataError), ([0], 0, ConfigError)],
)
def test_what_cannot_be_counted(ids, order, error):
    with pytest.raises(error):
        NGrams(ids, 4, order)


def _nats(counted, ids):
    """Mean nats per symbol of a text."""
    return float(-np.log(counted.probabilities(ids)).mean())
