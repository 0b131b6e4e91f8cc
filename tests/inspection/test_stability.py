"""Jacobians and Lyapunov exponents where they are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import unrolled
from unrolled import Recurrent, ShapeError, cell, cells
from unrolled.errors import AddressError
from unrolled.inspection.stability import jacobians, lyapunov_exponents
from unrolled.ops import affine, linear

T, B, D, H = 12, 2, 3, 5


@cell
def plain(x, h):
    return affine(x) + linear(h)


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_of_a_linear_layer_it_is_its_matrix(engine):
    layer, x = Recurrent(plain, D, H), torch.randn(T, B, D)
    (matrix,) = (one.detach().double() for one in layer.parameters() if one.shape == (H, H))
    with unrolled.use_engine(engine):
        for found in jacobians(layer, x):
            torch.testing.assert_close(found, matrix)


@pytest.mark.parametrize("name", ["lstm", "gru", "layer_norm_lstm", "fgr"])
def test_it_is_what_small_changes_do(name):
    """By differences, in the second layer, in the middle of a sequence."""
    layer = Recurrent(name, D, H, 2, dtype=torch.float64)
    x = torch.randn(T, B, D, dtype=torch.float64)
    (found,) = jacobians(layer, x, layer="layer1", row=1, steps=[7])
    _, state = layer(x[:7])
    names, delta, columns = list(state), 1e-6, []
    widths = [state[one].shape[-1] for one in names]
    for number in range(sum(widths)):
        ends = []
        for sign in (1, -1):
            moved = {one: value.clone() for one, value in state.items()}
            place = 0
            for one, width in zip(names, widths, strict=True):
                if place <= number < place + width:
                    moved[one][1, 1, number - place] += sign * delta
                place += width
            _, after = layer(x[7:8], moved)
            ends.append(torch.cat([after[one][1, 1] for one in names]))
        columns.append((ends[0] - ends[1]) / (2 * delta))
    torch.testing.assert_close(found, torch.stack(columns, dim=1), rtol=1e-5, atol=1e-7)


def test_exponents_of_what_is_known():
    diagonal = torch.diag(torch.tensor([0.5, 1.2, 0.9, 0.1]))
    found = lyapunov_exponents([diagonal] * 200, skip=50)
    torch.testing.assert_close(found, torch.tensor([1.2, 0.9, 0.5, 0.1]).double().log(), rtol=0, atol=1e-6)
    turning = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    assert lyapunov_exponents([turning] * 100, count=6).abs().max() < 1e-10


def test_a_contracting_network_forgets():
    torch.manual_seed(0)
    layer, x = Recurrent(cells.rnn, D, H), torch.randn(60, 1, D)
    first = lyapunov_exponents(jacobians(layer, x), count=2)
    assert first[0] < 0
    assert first[0] >= first[1]


def test_a_strangers_model():
    model = unrolled.open(nn.Sequential(nn.LSTM(D, H, 2, batch_first=True)))
    found = list(jacobians(model, torch.randn(B, T, D), layer="layer1", steps=[0, 3]))
    assert [one.shape for one in found] == [(2 * H, 2 * H)] * 2


def test_what_is_not_there():
    layer, x = Recurrent("gru", D, H), torch.randn(T, B, D)
    with pytest.raises(AddressError, match="layer0"):
        next(jacobians(layer, x, layer="layer1"))
    for options in ({"row": 2}, {"steps": [T]}):
        with pytest.raises(ShapeError, match="12 steps and 2 rows"):
            next(jacobians(layer, x, **options))
    with pytest.raises(ShapeError, match="give more"):
        lyapunov_exponents([torch.eye(2)] * 5)
