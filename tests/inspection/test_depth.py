"""Depth: what the plain network's gradient loses, the residual one's keeps; with He's initial values both keep it."""

from __future__ import annotations

import pytest
import torch

from unrolled import ConfigError
from unrolled.inspection.depth import depth_gradients, gradients_by_layer


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("width", [32, 64])
def test_fifty_layers_with_torch_s_initial_values(seed, width):
    found = depth_gradients(50, width, seed=seed)
    assert [one.layer for one in found] == list(range(1, 51))
    assert found[0].plain < 1e-4
    assert 1e-2 < found[0].residual < 1e2
    assert found[-1].plain == found[-1].residual == 1
    # sqrt(1/6) a layer, on average
    assert found[0].plain ** (1 / 49) == pytest.approx(6**-0.5, rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_he_s_initial_values_keep_the_plain_network_s_gradient(seed):
    found = depth_gradients(50, 64, "he", seed)
    assert 1e-2 < found[0].plain < 1e2
    assert 1e-2 < found[0].residual < 1e2


def test_a_seed_gives_the_same_numbers_again_and_nobody_s_random_numbers_change():
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    first, again, other = (depth_gradients(6, 5, seed=seed) for seed in (1, 1, 2))
    assert (torch.rand(2) == want).all()
    assert first == again != other


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layers": 7}, "even number"),
        ({"layers": 0}, "even number"),
        ({"width": 0}, "width=0"),
        ({"init": "xavier"}, "torch, he"),
        ({"layers": 2000, "width": 8, "init": "he"}, "nothing to compare"),
    ],
)
def test_what_has_no_depth(options, told):
    with pytest.raises(ConfigError, match=told):
        depth_gradients(**options)


def test_the_norms_are_those_of_autograd():
    """Of matrices and kernels, not of biases; a layer after which nothing is left has none to compare with."""
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.Flatten(), torch.nn.Linear(12, 4))
    x = torch.randn(5, 2, 3, 3)
    first, last = gradients_by_layer(model, model(x).square().sum())
    model(x).square().sum().backward()
    assert last == 1
    assert first == pytest.approx((model[0].weight.grad.norm() / model[2].weight.grad.norm()).item(), rel=1e-5)
    with pytest.raises(ConfigError, match="nothing to compare"):
        gradients_by_layer(model, model(x * float("inf")).sum())
