"""Clipping: dL/dW through time as autograd has it; by norm the direction stays, element by element it turns."""

from __future__ import annotations

import math

import pytest
import torch

from unrolled import ConfigError
from unrolled.inspection.clipping import clippings
from unrolled.inspection.flow import random_matrices, weight_gradients


@pytest.mark.parametrize("activation", ["relu", "linear", "tanh"])
def test_the_gradient_in_the_matrix_is_autograd_s(activation):
    matrices = random_matrices(4, 5, 1.2, seed=3).requires_grad_()
    chance = torch.Generator().manual_seed(8)
    h = torch.randn(4, 5, 1, generator=chance, dtype=torch.float64)
    for _ in range(12):
        h = matrices @ h
        h = {"relu": torch.relu, "linear": lambda one: one, "tanh": torch.tanh}[activation](h)
    (h * torch.randn(h.shape, generator=chance, dtype=torch.float64)).sum().backward()
    torch.testing.assert_close(weight_gradients(matrices.detach(), 12, activation, seed=8), matrices.grad)


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_by_norm_the_direction_stays_and_element_by_element_it_turns(activation):
    drawn, slow, fast = clippings(5.0, activation=activation)
    for one in (drawn, slow, fast):
        assert one.norm > 5
        assert one.by_norm.norm == pytest.approx(5, rel=1e-4)
        assert one.by_norm.cosine == pytest.approx(1, abs=1e-9)
        assert one.by_element.cosine < 0.999
        assert 5 <= one.by_element.norm <= 5 * math.sqrt(5 * 5), "each of W's elements is at most the threshold"
    assert 0 < slow.clipped <= fast.clipped <= 1
    assert slow.norm < fast.norm


def test_the_more_is_cut_the_further_it_turns():
    found = [clippings(at, (1.5,), seeds=1, steps=9, activation="linear")[0] for at in (1.0, 30.0, 100.0, 150.0)]
    assert found[0].norm == found[-1].norm > 150
    cosines = [one.by_element.cosine for one in found]
    assert cosines == sorted(cosines)
    assert cosines[0] < 0.9 < 0.99 < cosines[-1]


def test_one_network_by_hand():
    (found,) = clippings(0.5, (1.5,), seeds=1, hidden=3, steps=4, activation="linear", seed=2)
    gradient = weight_gradients(random_matrices(1, 3, 1.5, seed=2), 4, "linear", seed=3)[0]
    cut = gradient.clamp(-0.5, 0.5)
    assert found.clipped == 1
    assert found.norm == pytest.approx(float(gradient.norm()))
    assert found.by_element.norm == pytest.approx(float(cut.norm()))
    assert found.by_element.cosine == pytest.approx(float((cut * gradient).sum() / cut.norm() / gradient.norm()))


def test_where_nothing_is_to_be_clipped():
    (found,) = clippings(1e6, (0.5,), seeds=7)
    assert (found.clipped, found.norm, found.by_norm, found.by_element) == (0, None, None, None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"threshold": 0.0}, "a threshold of 0"),
        ({"threshold": math.inf}, "a threshold of inf"),
        ({"threshold": math.nan}, "a threshold of nan"),
        ({"radii": (-1.0,)}, "sizes above 0"),
        ({"seeds": 0}, "seeds=0"),
        ({"activation": "sine"}, "no activation"),
        ({"radii": (9.0,), "steps": 2000, "activation": "linear"}, "fewer steps"),
    ],
)
def test_what_cannot_be_clipped(options, told):
    with pytest.raises(ConfigError, match=told):
        clippings(**options)


def test_by_norm_the_direction_stays_however_small_the_threshold():
    for one in clippings(1e-30, seeds=5):
        assert one.by_norm.cosine == pytest.approx(1)
