"""Divergences by hand: the same is nothing, both ways count, and what is impossible is infinitely far."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unrolled import ShapeError
from unrolled.inspection.divergence import divergences


def _random(seed, *shape):
    made = np.random.default_rng(seed).random(shape) + 0.01
    return made / made.sum(axis=-1, keepdims=True)


def test_it_is_the_sum_of_both_ways():
    p, q, r = (_random(seed, 7, 5) for seed in range(3))
    found = divergences(np.log(p), {1: q, 4: r})
    for n, other in ((1, q), (4, r)):
        there = sum(p[i, k] * math.log(p[i, k] / other[i, k]) for i in range(7) for k in range(5))
        back = sum(other[i, k] * math.log(other[i, k] / p[i, k]) for i in range(7) for k in range(5))
        assert found[n] == pytest.approx((there + back) / 7)


def test_the_same_is_not_apart():
    p = _random(3, 4, 6)
    assert divergences(np.log(p), {2: p})[2] == pytest.approx(0, abs=1e-12)
    assert divergences([[0.0, -math.inf]], {2: [[1.0, 0.0]]}) == {2: 0.0}


def test_what_the_other_holds_impossible_is_infinitely_far():
    assert divergences(np.log([[0.5, 0.5]]), {1: [[1.0, 0.0]]}) == {1: math.inf}
    assert divergences([[0.0, -math.inf]], {1: [[0.5, 0.5]]}) == {1: math.inf}


@pytest.mark.parametrize(
    ("log_probs", "other", "told"),
    [
        ([0.0, 0.0], [[1.0, 1.0]], r"shape \[2\]"),
        (np.zeros((0, 3)), np.zeros((0, 3)), r"shape \[0, 3\]"),
        (np.zeros((2, 3)), np.ones((2, 4)), r"of 1 have shape \[2, 4\]"),
    ],
)
def test_shapes_that_do_not_fit(log_probs, other, told):
    with pytest.raises(ShapeError, match=told):
        divergences(log_probs, {1: other})
