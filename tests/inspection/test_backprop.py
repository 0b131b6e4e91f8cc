"""A signal's way back through fresh layers: as the equation has it, and who keeps it for how long."""

from __future__ import annotations

import pytest
import torch

from unrolled import CellError, ConfigError, Recurrent
from unrolled.inspection.backprop import backward_signals

DEAF = """
from unrolled import cell
from unrolled.ops import affine, tanh

@cell
def deaf(x, h, c):
    c = 0.5 * c
    h = tanh(affine(x, h))
    return h, c
"""


def test_it_is_the_rnn_s_equation():
    """dL/dh_{t-1} = W^T (1 - h_t^2) dL/dh_t."""
    (found,) = backward_signals(["rnn"], hidden=9, steps=30, seed=5)
    assert (found.name, found.address) == ("rnn", "layer0.h")
    assert found.gradients.shape == (30, 9)
    torch.manual_seed(5)
    layer, x = Recurrent("rnn", 9, 9), torch.randn(30, 1, 9)
    h = layer(x)[0][:, 0].detach()
    weight = dict(layer.named_parameters())["layer0.weight_h_h"].detach()
    want = found.gradients[-1]
    for t in range(29, 0, -1):
        want = weight.T @ ((1 - h[t] ** 2) * want)
        torch.testing.assert_close(found.gradients[t - 1], want, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_who_keeps_a_signal(seed):
    names = ("rnn", "lstm", "lstm-without-forget", "gru")
    found = backward_signals(names, seed=seed)
    assert [one.address for one in found] == ["layer0.h", "layer0.c", "layer0.c", "layer0.h"]
    assert all(one.gradients.shape == (128, 64) for one in found)
    rnn, lstm, adding, gru = (one.norms() for one in found)
    assert all(float(one[0]) == 1 for one in (rnn, lstm, adding, gru))
    assert rnn[20] < 1e-4 < 1e-3 < lstm[20] < 0.1
    assert 0.3 < adding[20] < 3
    assert rnn[20] < gru[20] < lstm[20]


def test_the_lstm_s_forget_bias_is_one():
    plain, stated, other = backward_signals(["lstm", "lstm(forget_bias=1.0)", "lstm(forget_bias=0.0)"], 8, 20)
    assert (plain.gradients == stated.gradients).all()
    assert (plain.gradients != other.gradients).any()


def test_a_seed_gives_the_same_numbers_again_and_nobody_s_random_numbers_change():
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    (first,), (again,), (other,) = (backward_signals(["gru"], 5, 9, seed) for seed in (1, 1, 2))
    assert (torch.rand(2) == want).all()
    assert (first.gradients == again.gradients).all()
    assert (first.gradients != other.gradients).any()


def test_what_gives_no_signal(tmp_path):
    (tmp_path / "mine.py").write_text(DEAF)
    with pytest.raises(CellError, match="no cell is called"):
        backward_signals(["rrn"])
    with pytest.raises(ConfigError, match="steps=0"):
        backward_signals(steps=0)
    with pytest.raises(ConfigError, match="hidden=0"):
        backward_signals(hidden=0)
    with pytest.raises(ConfigError, match="no gradient"):
        backward_signals([f"{tmp_path / 'mine.py'}:deaf"], 3, 5)
