"""Every cell runs through the six proofs, and gives CS231n's own numbers."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from tests.cells import checks
from tests.cells.checks import CASES
from unrolled import Recurrent, cells

every_cell = pytest.mark.parametrize("case", CASES, ids=str)


def test_a_cell_can_be_pickled_and_copied():
    for one in (cells.lstm, cells.lstm(forget_bias=1.0)):
        assert pickle.loads(pickle.dumps(one)) == one
        assert copy.deepcopy(one) is one


def test_every_cell_on_the_shelf_has_a_case():
    assert {repr(one) for one in cells.shelf().values()} <= {str(case) for case in CASES}


@every_cell
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=["f64", "f32"])
def test_naive_forward(case, dtype, tolerance):
    checks.check_naive_forward(case, dtype, tolerance)


@every_cell
def test_numeric_gradients(case):
    checks.check_numeric_gradients(case)


@every_cell
def test_absent_state(case):
    checks.check_absent_state(case)


@every_cell
def test_carried_state(case):
    checks.check_carried_state(case)


@every_cell
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
def test_whole_is_pieces_is_steps(case, dtype):
    checks.check_pieces(case, dtype)


@pytest.mark.parametrize("case", [case for case in CASES if case.stranger], ids=str)
def test_stranger(case):
    checks.check_stranger(case)


def _line(low, high, *shape):
    return torch.linspace(low, high, torch.Size(shape).numel(), dtype=torch.float64).view(shape)


def test_cs231n_rnn_step():
    """Assignment 3's check of one vanilla RNN step; its first row."""
    layer = Recurrent(cells.rnn(bias="shared"), 10, 4, dtype=torch.float64)
    layer.load_state_dict({
        "layer0.weight_h_x": _line(-0.1, 0.9, 10, 4).T,
        "layer0.weight_h_h": _line(-0.3, 0.7, 4, 4).T,
        "layer0.bias_h": _line(-0.2, 0.4, 4),
    })  # fmt: skip
    output, _ = layer.step(_line(-0.4, 0.7, 3, 10), {"h": _line(-0.2, 0.5, 1, 3, 4)})
    want = torch.tensor([-0.58172089, -0.50182032, -0.41232771, -0.31410098], dtype=torch.float64)
    torch.testing.assert_close(output[0].detach(), want, rtol=0, atol=1e-7)


def test_cs231n_lstm_step():
    """Assignment 3's check of one LSTM step; its first row of h and of c."""
    layer = Recurrent(cells.lstm(bias="shared"), 4, 5, dtype=torch.float64)
    layer.load_state_dict({
        "layer0.weight_i_x": _line(-2.1, 1.3, 4, 20).T,
        "layer0.weight_i_h": _line(-0.7, 2.2, 5, 20).T,
        "layer0.bias_i": _line(0.3, 0.7, 20),
    })  # fmt: skip
    state = {"h": _line(-0.3, 0.7, 1, 3, 5), "c": _line(-0.4, 0.9, 1, 3, 5)}
    _, final = layer.step(_line(-0.4, 1.2, 3, 4), state)
    want = {
        "h": [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904],
        "c": [0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407],
    }
    for name, values in want.items():
        torch.testing.assert_close(
            final[name][0, 0].detach(), torch.tensor(values, dtype=torch.float64), rtol=0, atol=1e-7
        )
