"""Gradient flow: the laws that hold exactly, the table of slide 79, and what a signal does in real layers."""

from __future__ import annotations

import math

import pytest
import torch

from unrolled import ConfigError, Recurrent, ShapeError
from unrolled.errors import AddressError
from unrolled.inspection.flow import fates, gradient_norms, random_matrices, reach, signal

SEEDS = 300


def test_an_orthogonal_linear_network_keeps_the_gradient():
    matrices = torch.linalg.qr(random_matrices(50, 7)).Q
    norms = gradient_norms(matrices, 200, "linear")
    assert (norms - 1).abs().max() <= 1e-10


def test_it_is_the_slides_loop():
    """One network, as the slide writes it."""
    matrix = random_matrices(1, 5, seed=4)
    chance = torch.Generator().manual_seed(9)
    h = torch.randn(5, generator=chance, dtype=torch.float64)
    sums = []
    for _ in range(50):
        sums.append(matrix[0] @ h)
        h = sums[-1].clamp(min=0)
    gradient = torch.randn(5, generator=chance, dtype=torch.float64)
    first = gradient.norm()
    for one in reversed(sums):
        gradient = matrix[0].T @ ((one > 0) * gradient)
    assert gradient_norms(matrix, 50, "relu", seed=9)[0, -1].item() == pytest.approx(float(gradient.norm() / first))


# radius -> vanished, exploded: of 300 networks with ReLU, as others counted them
TABLE = {None: (0.31, 0.57), 0.9: (0.91, 0.0), 1.0: (0.83, 0.02), 1.1: (0.75, 0.04), 2.0: (0.34, 0.48)}


def test_the_table_with_relu():
    for fate in fates(seeds=SEEDS):
        for got, want in zip((fate.vanished, fate.exploded), TABLE[fate.radius], strict=True):
            # two samples of 300 each: four deviations of their difference
            assert abs(got - want) <= 4 * math.sqrt(2 * max(want * (1 - want), 0.01) / SEEDS), fate
        assert 0.05 <= fate.dead <= 0.25


def test_the_table_of_the_linear_network():
    medians = {0.9: 2.8e-3, 1.0: 0.55, 1.1: 64}
    for fate in fates((0.9, 1.0, 1.1), seeds=SEEDS, activation="linear"):
        assert 1 / 1.6 < fate.median / medians[fate.radius] < 1.6


def test_tanh_must_vanish_where_the_largest_singular_value_is_below_one():
    """Pascanu et al. 2013: each step back shrinks the gradient by it, at least."""
    matrices = random_matrices(40, 6)
    matrices = matrices * (0.95 / torch.linalg.matrix_norm(matrices, ord=2))[:, None, None]
    norms = gradient_norms(matrices, 60, "tanh")
    assert (norms[:, 1:] <= 0.95 * norms[:, :-1] + 1e-300).all()


@pytest.mark.parametrize("seed", range(10))
def test_what_reaches_back_at_default_values(seed):
    """Twenty steps: the RNN's dL/dh is gone, the LSTM's dL/dc is there, without forget gates it is all there."""
    torch.manual_seed(seed)
    x = torch.randn(41, 4, 16)

    def left(cell, value):
        norms = signal(Recurrent(cell, 16, 64), x, value=value).norm(dim=2).mean(dim=1)
        return float(norms[-21] / norms[-1])

    assert left("rnn", "layer0.h") < 1e-3
    assert left("lstm(forget_bias=1.0)", "layer0.c") > 1e-2
    assert 0.5 < left("nfg", "layer0.c") < 2


def test_how_far_a_signal_reaches():
    torch.manual_seed(1)
    x = torch.randn(60, 3, 8)
    short = reach(signal(Recurrent("rnn", 8, 32), x, value="layer0.h"))
    long = reach(signal(Recurrent("lstm(forget_bias=3.0)", 8, 32), x, value="layer0.c"))
    assert 1 <= short < 15 < long
    gradients = torch.zeros(10, 1, 2)
    gradients[3:8] = 1.0
    gradients[2] = 0.02
    assert reach(gradients, at=7) == 5
    assert reach(gradients, at=7, least=0.5) == 4
    assert reach(gradients, at=1) == 0


def test_a_signal_that_starts_earlier_leaves_later_steps_alone():
    layer, x = Recurrent("lstm", 8, 16, 2, batch_first=True), torch.randn(3, 20, 8)
    found = signal(layer, x, value="layer1.c", at=9)
    assert (found[10:] == 0).all()
    assert (found[9] != 0).any()


def test_what_cannot_flow():
    with pytest.raises(ConfigError, match="no activation"):
        gradient_norms(random_matrices(2), 3, "sine")
    with pytest.raises(ShapeError, match="S, H, H"):
        gradient_norms(torch.zeros(2, 3, 4))
    for options in ({"seeds": 0}, {"steps": 0}, {"hidden": 0}, {"radii": (-1.0,)}, {"radii": (float("inf"),)}):
        with pytest.raises(ConfigError):
            fates(**options)
    two = torch.nn.ModuleList([Recurrent("rnn", 3, 3), Recurrent("rnn", 3, 3)])
    with pytest.raises(AddressError, match="Did you mean"):
        signal(two, torch.zeros(2, 2, 3), value="layer0.h")
    with pytest.raises(AddressError, match="2 values"):
        signal(two, torch.zeros(2, 2, 3), value="*.layer0.h")


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_numbers_that_grow_without_bounds(activation):
    with pytest.raises(ConfigError, match="largest number"):
        fates((1e30,), seeds=5, activation=activation)
