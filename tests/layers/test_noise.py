"""Layers with noise: when there is any, whose seed it has, and that a run can be had again."""

from __future__ import annotations

import pytest
import torch

from tests.cells.papers import noisy
from unrolled import ConfigError, Noise, Recurrent, cells
from unrolled.layers import LSTM


def _layer(made=noisy, **options):
    return Recurrent(made, 5, 9, 2, dtype=torch.float64, **options)


def _x(steps=7, batch=3):
    return torch.randn(steps, batch, 5, dtype=torch.float64)


def test_training_draws_a_seed_from_torch_s_generator():
    layer, x = _layer(), _x()
    torch.manual_seed(3)
    first, second = layer(x)[0], layer(x)[0]
    torch.manual_seed(3)
    assert torch.equal(layer(x)[0], first)
    assert not torch.equal(first, second)


def test_evaluation_has_no_noise_unless_it_is_asked_for():
    layer, x = _layer().eval(), _x()
    before = torch.get_rng_state()
    assert torch.equal(layer(x)[0], layer(x)[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(layer(x, noise=Noise(1))[0], layer(x)[0])


def test_a_run_can_be_had_again():
    layer, x = _layer(), _x()
    first = layer(x, noise=Noise(1))[0]
    assert torch.equal(layer(x, noise=Noise(1))[0], first)
    assert torch.equal(layer.eval()(x, noise=Noise(1))[0], first)
    assert not torch.equal(layer(x, noise=Noise(2))[0], first)


def test_evaluation_is_that_of_the_cell_without_noise():
    """Dropout alone: the same bits, on any engine; each engine runs the very same program."""
    layer, plain = _layer(cells.lstm(dropout=0.4)).eval(), _layer(cells.lstm)
    plain.load_state_dict(layer.state_dict())
    x = _x()
    assert torch.equal(layer(x)[0], plain(x)[0])
    assert not torch.equal(layer.train()(x)[0], plain(x)[0])


def test_layers_and_directions_draw_their_own():
    layer = _layer(cells.rnn(zoneout=0.5), bidirectional=True)
    programs = [direction.program for one in layer.stack() for direction in one]
    masks = [program.draw(Noise(1), place, 1, 40, _x())[0] for place, program in enumerate(programs)]
    for place, mask in enumerate(masks):
        assert not any(torch.equal(mask, other) for other in masks[:place])


def test_a_state_stays_where_its_mask_says():
    layer = Recurrent(cells.lstm(zoneout={"c": 0.5}), 5, 9, dtype=torch.float64)
    x, state = _x(1), {name: torch.randn(1, 3, 9).double() for name in "hc"}
    (mask,) = layer.layer0.program.draw(Noise(6), 0, 1, 3, x)
    _, after = layer(x, state, noise=Noise(6))
    stays = mask[0] == 1
    assert 0 < stays.count_nonzero() < stays.numel()
    assert torch.equal(after["c"][0][stays], state["c"][0][stays])
    assert not torch.any(after["c"][0][~stays] == state["c"][0][~stays])
    assert not torch.any(after["h"] == state["h"])


def test_rows_of_a_batch_can_be_run_apart():
    layer, x = _layer(), _x()
    whole = layer(x, noise=Noise(1))[0]
    rest = layer(x[:, 1:].contiguous(), noise=Noise(1, row=1))[0]
    torch.testing.assert_close(rest, whole[:, 1:], rtol=1e-14, atol=1e-14)


def test_an_empty_batch():
    output, _ = _layer()(_x(7, 0))
    assert output.shape == (7, 0, 9)


def test_cells_without_noise_draw_nothing():
    x = _x()
    layer, theirs = _layer(cells.lstm), LSTM(5, 9, dtype=torch.float64)
    before = torch.get_rng_state()
    assert torch.equal(layer(x)[0], layer(x, noise=Noise(1))[0])
    theirs(x)
    layer.step(x[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_no_noise():
    with pytest.raises(ConfigError, match=r"noise is 7: give unrolled.Noise\(seed\), or None"):
        _layer()(_x(), noise=7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_autocast(dtype):
    """Masks are of the type in which the layer then computes, whatever it is given."""
    layer = Recurrent(noisy, 5, 9, 2)
    x = torch.randn(7, 3, 5).to(dtype)
    wanted, _ = layer(x.float(), noise=Noise(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = layer(x, noise=Noise(1))
    output.float().sum().backward()
    torch.testing.assert_close(output.float(), wanted, rtol=0.1, atol=0.1)
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())
