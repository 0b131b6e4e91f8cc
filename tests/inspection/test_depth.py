"""Depth: what the plain network's gradient loses, the residual one's keeps; with He's initial values both keep it."""

from __future__ import annotations

import pytest
import torch

from unrolled import ConfigError
from unrolled.inspection.depth import DeepNet, depth_gradients


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


def test_it_is_the_slide_s_equation():
    torch.manual_seed(7)
    net = DeepNet(4, 6, "torch", residual=True)
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = [(one.weight, one.bias) for one in net.layers]
    x = torch.randn(3, 6, dtype=torch.float64)
    middle = x + ((x.relu() @ w1.T + b1).relu() @ w2.T + b2)
    torch.testing.assert_close(net(x), middle + ((middle.relu() @ w3.T + b3).relu() @ w4.T + b4))
    net.residual = False
    middle = (x.relu() @ w1.T + b1).relu() @ w2.T + b2
    torch.testing.assert_close(net(x), (middle.relu() @ w3.T + b3).relu() @ w4.T + b4)


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
