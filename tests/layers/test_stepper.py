"""A stepper gives, step by step, what the layer gives for the whole sequence, bit for bit."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

import unrolled
from tests.cells.checks import CASES, B, D, T, layer_of, random_state
from unrolled import ConfigError, Recurrent, ShapeError, use_engine
from unrolled.engine import library

every_cell = pytest.mark.parametrize("case", CASES, ids=str)
with_engine = pytest.mark.skipif(library() is None, reason="installed without the native engine")


def _read(stepper, x):
    return torch.stack([stepper(one) for one in x])


@every_cell
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_it_is_the_whole(case, dtype, engine):
    layer = layer_of(case.cell, dtype, 2)
    layer.eval()
    x, state = torch.randn(T, B, D, dtype=dtype), random_state(layer, positive=case.positive)
    state = {name: value.to(dtype) for name, value in state.items()}
    with use_engine(engine), torch.no_grad():
        want, after = layer(x, state)
        stepper = layer.stepper(B)
        stepper.state = state
        assert torch.equal(_read(stepper, x), want)
        for name, value in stepper.state.items():
            assert torch.equal(value, after[name])
        stepper.state = None
        assert torch.equal(_read(stepper, x), layer(x)[0])


@pytest.mark.parametrize("made", [unrolled.RNN, unrolled.GRU, unrolled.LSTM])
def test_torchs_layers_step(made):
    layer = made(D, 5, num_layers=3, batch_first=True)
    x = torch.randn(T, B, D)
    stepper = layer.stepper(B)
    with torch.no_grad():
        want = layer(x.transpose(0, 1))[0]
    assert torch.equal(_read(stepper, x).transpose(0, 1), want)


def test_what_it_gives_out_stays():
    stepper, x = Recurrent("gru", D, 5).stepper(), torch.randn(T, 1, D)
    first = stepper(x[0])
    state, copy = stepper.state, first.clone()
    before = {name: value.clone() for name, value in state.items()}
    _read(stepper, x)
    assert torch.equal(first, copy)
    assert all(torch.equal(state[name], before[name]) for name in state)


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_the_weights_are_those_of_its_making(engine):
    layer, x = Recurrent("lstm", D, 5), torch.randn(T, 1, D)
    with use_engine(engine):
        stepper, other = layer.stepper(), layer.stepper()
        want = _read(other, x)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.zero_()
        assert torch.equal(_read(stepper, x), want)
        assert not want.requires_grad


@with_engine
def test_matrices_in_bfloat16_are_those_of_autocast():
    layer, x = Recurrent("lstm", D, 33, 2), torch.randn(T, B, D)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        want = layer(x)[0]
    assert torch.equal(_read(layer.stepper(B, "bf16"), x), want)
    rough = _read(layer.stepper(B, "int8"), x)
    torch.testing.assert_close(rough, want, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (torch.zeros(2, D), "x has shape"),
        (torch.zeros(1, D + 1), "x has shape"),
        (torch.zeros(D), "x has shape"),
        (torch.zeros(1, D, dtype=torch.float64), "float64"),
        ([0.0] * D, "x is a list"),
    ],
)
def test_another_input_is_refused(x, told):
    stepper = Recurrent("gru", D, 5).stepper()
    with pytest.raises(ShapeError, match=told):
        stepper(x)


@pytest.mark.parametrize("state", [{}, {"h": torch.zeros(1, 2, 5)}, {"c": torch.zeros(1, 1, 5)}, torch.zeros(1, 1, 5)])
def test_another_state_is_refused(state):
    stepper = Recurrent("gru", D, 5).stepper()
    before = stepper(torch.ones(1, D))
    with pytest.raises(ShapeError):
        stepper.state = state
    assert torch.equal(stepper.state["h"][0], before)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "one", True, 10**9, 2**63])
def test_another_batch_size_is_refused(batch_size):
    with pytest.raises(ShapeError, match="batch_size"):
        Recurrent("gru", D, 5).stepper(batch_size)


def test_what_has_to_see_the_whole_is_refused():
    for layer in (Recurrent("gru", D, 5, bidirectional=True), unrolled.LSTM(D, 5, bidirectional=True)):
        with pytest.raises(ShapeError, match="bidirectional"):
            layer.stepper()


def test_a_precision_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="float16"):
        Recurrent("gru", D, 5).stepper(precision="float16")
    with pytest.raises(ConfigError, match="float64"):
        Recurrent("gru", D, 5, dtype=torch.float64).stepper(precision="int8")
    with use_engine("reference"), pytest.raises(ConfigError, match="native engine"):
        Recurrent("gru", D, 5).stepper(precision="bf16")


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_states_that_went_in_or_came_out_are_nobodys(engine):
    with use_engine(engine):
        stepper, x = Recurrent("gru", D, 5).stepper(), torch.randn(T, 1, D)
        state = {"h": torch.randn(1, 1, 5)}
        stepper.state = state
        want = stepper(x[0])
        stepper.state = state
        state["h"].fill_(9.0)
        stepper.state["h"].fill_(9.0)
        assert torch.equal(stepper(x[0]), want)


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_one_that_was_made_under_inference_mode(engine):
    layer, x = Recurrent("gru", D, 5), torch.randn(T, 1, D)
    with use_engine(engine):
        with torch.inference_mode():
            stepper = layer.stepper()
            first = stepper(x[0])
        assert torch.equal(first, layer(x)[0][0])
        assert torch.equal(stepper(x[1]), layer(x)[0][1])


def test_it_is_not_copied():
    stepper = Recurrent("gru", D, 5).stepper()
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(ConfigError, match="make another"):
            copied(stepper)
