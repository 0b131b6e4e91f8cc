"""n-NN: the product with one-hot vectors, what n symbols can tell and n - 1 cannot, and probabilities that are such."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unrolled import ConfigError, DataError
from unrolled.inspection.window import WindowNet, fit


def _shift_register(length):
    """x_t = x_{t-1} xor x_{t-3}: the last three symbols tell the next one, the last two do not."""
    bits = [0, 0, 1]
    while len(bits) < length:
        bits.append(bits[-1] ^ bits[-3])
    return bits


def test_three_symbols_tell_what_two_cannot():
    ids = _shift_register(600)
    nats = [-np.log(fit(ids, n, 2, 32, steps=300).probabilities(ids)[3:]).mean() for n in (2, 3)]
    assert nats[1] < 0.05
    # of the seven places of a period, the one behind 0 0 is certain, the others are not
    assert nats[0] == pytest.approx(6 / 7 * math.log(2), abs=0.05)


def test_it_is_the_product_with_one_hot_vectors():
    torch.manual_seed(4)
    net = WindowNet(3, 5, 7)
    torch.nn.init.normal_(net.bias)
    ids = torch.tensor([[4, 0, 2], [1, 1, 3]])
    matrix = net.table.weight[:15]
    hidden = torch.tanh(F.one_hot(ids, 5).float().flatten(1) @ matrix + net.bias)
    torch.testing.assert_close(net(ids), net.read_out(hidden))
    begun = torch.tanh(matrix[10 + 2] + net.bias)
    torch.testing.assert_close(net(torch.tensor([[-1, -1, 2]]))[0], net.read_out(begun))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_probabilities_sum_to_one_and_see_what_stands_before(n):
    ids = [3, 1, 0, 2, 2, 1, 3, 0, 1, 1]
    net = fit(ids, n, 4, 6, steps=3)
    shares = net.distributions(ids)
    assert shares.shape == (10, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    assert (shares > 0).all()
    assert (net.probabilities(ids) == shares[np.arange(10), ids]).all()
    other = [*ids[:5], 0, *ids[6:]]
    differs = (net.distributions(other) != shares).any(axis=1)
    assert differs.tolist() == [5 < place <= 5 + n for place in range(10)]
    assert net.distributions([]).shape == (0, 4)


def test_an_empty_padding_learns_nothing():
    net = fit([0, 1, 1, 0, 1], 3, 2, 4, steps=20)
    assert (net.table.weight[-1] == 0).all()


def test_a_seed_gives_the_same_network_again_and_nobody_s_random_numbers_change():
    ids = _shift_register(50)
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    first, again, other = (fit(ids, 2, 2, 5, steps=10, seed=seed).probabilities(ids) for seed in (1, 1, 2))
    assert (torch.rand(2) == want).all()
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("ids", "options", "error"),
    [
        ([], {}, DataError),
        ([0, 4], {}, DataError),
        ([-1], {}, DataError),
        ([[0]], {}, DataError),
        ([0], {"n": 0}, ConfigError),
        ([0], {"hidden": 0}, ConfigError),
        ([0], {"steps": 0}, ConfigError),
    ],
)
def test_what_cannot_be_learned(ids, options, error):
    with pytest.raises(error):
        fit(ids, **{"n": 2, "vocab_size": 4, "hidden": 3, "steps": 2} | options)
    with pytest.raises(DataError):
        fit([0, 1], 2, 2, 3, steps=1).probabilities([2])
