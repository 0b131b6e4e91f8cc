"""Deep networks: the slide's equation, plain and residual, and what they begin with."""

import pytest
import torch
from torch import nn

from unrolled.layers import Deep, initialise


def test_it_is_the_slide_s_equation():
    every = [nn.Linear(6, 6, dtype=torch.float64) for _ in range(4)]
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = [(one.weight, one.bias) for one in every]
    x = torch.randn(3, 6, dtype=torch.float64)
    middle = x + ((x.relu() @ w1.T + b1).relu() @ w2.T + b2)
    torch.testing.assert_close(Deep(every, "residual")(x), middle + ((middle.relu() @ w3.T + b3).relu() @ w4.T + b4))
    middle = (x.relu() @ w1.T + b1).relu() @ w2.T + b2
    torch.testing.assert_close(Deep(every, "plain")(x), (middle.relu() @ w3.T + b3).relu() @ w4.T + b4)


def test_residual_blocks_that_do_nothing_change_nothing():
    every = [nn.Conv2d(3, 3, 3, padding=1) for _ in range(6)]
    for one in every[1::2]:
        nn.init.zeros_(one.weight)
        nn.init.zeros_(one.bias)
    x = torch.randn(2, 3, 5, 4)
    assert (Deep(every, "residual")(x) == x).all()
    assert (Deep(every, "plain")(x) == 0).all()


def test_layers_that_are_left_over():
    with pytest.raises(ValueError, match="shorter"):
        Deep([nn.Linear(2, 2)] * 3, "plain")(torch.zeros(1, 2))


@pytest.mark.parametrize("make", [lambda: nn.Linear(400, 300), lambda: nn.Conv2d(40, 60, 3)])
def test_initial_values(make):
    """Of n that are read, torch's weights have the variance 1/(3n), He's 2/n, with biases of zero."""
    layer = make()
    read = layer.weight[0].numel()
    kept = [one.clone() for one in layer.parameters()]
    initialise([layer], "torch")
    assert all((one == other).all() for one, other in zip(kept, layer.parameters(), strict=True))
    assert layer.weight.var().item() == pytest.approx(1 / (3 * read), rel=0.05)
    initialise([layer, nn.Linear(2, 2, bias=False)], "he")
    assert layer.weight.var().item() == pytest.approx(2 / read, rel=0.05)
    assert layer.weight.mean().item() == pytest.approx(0, abs=0.05 * (2 / read) ** 0.5)
    assert not layer.bias.any()
