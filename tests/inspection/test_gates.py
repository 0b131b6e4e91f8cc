"""Gates by hand: exact saturation, time constants, and which values are gates at all."""

from __future__ import annotations

import math

import pytest
import torch

from unrolled import cell, cells
from unrolled.inspection.gates import Keeper, gates_of, keepers_of, saturation, still, time_constants
from unrolled.ops import affine, sigmoid, tanh


def test_hand_built_gates_have_exact_saturation():
    gate = torch.tensor(
        [[0.05, 0.95, 0.5, 0.1], [0.05, 0.05, 0.5, 0.9], [0.05, 0.95, 0.95, 0.5], [0.05, 0.5, 0.05, 0.5]]
    )
    found = saturation(gate.view(2, 2, 4))
    assert found.left.tolist() == [1.0, 0.25, 0.25, 0.0]  # (0.1 and 0.9 themselves are neither)
    assert found.right.tolist() == [0.0, 0.5, 0.25, 0.0]
    assert found.stuck.tolist() == [0]


def test_time_constants():
    gate = torch.tensor([0.5, 0.9, 1.0, 0.0]).expand(10, 3, 4).double()
    found = time_constants(gate).tolist()
    assert found[0] == pytest.approx(1 / math.log(2))
    assert found[1] == pytest.approx(-1 / math.log(0.9))
    assert found[2] == math.inf
    assert 0 < found[3] < 0.01
    mixed = torch.tensor([0.5, 1.0]).view(2, 1, 1)
    assert time_constants(mixed).item() == pytest.approx(2 / math.log(2)), "half of the steps halve it"


def test_units_that_do_not_move():
    values = torch.randn(50, 3)
    values[:, 1] = 0.7
    assert still(values).tolist() == [1]


@pytest.mark.parametrize(
    ("name", "gates", "keepers"),
    [
        ("lstm", ["i", "f", "o"], {"c": "f"}),
        ("gru", ["r", "z"], {"h": "z"}),
        ("gru_v3", ["r", "z"], {"h": "z"}),
        ("rnn", [], {}),
        ("vanilla", ["i", "f", "o"], {"c": "f"}),
        ("nfg", ["i", "o"], {}),
        ("layer_norm_lstm", ["i", "f", "o"], {"c": "f"}),
        ("cifg", ["i", "o"], {"c": "1 - i"}),
        ("mut1", ["r", "z"], {"h": "1 - z"}),
        ("min_gru", ["z"], {"h": "1 - z"}),
        ("layer_norm_gru", ["r", "z"], {"h": "1 - z"}),
    ],
)
def test_the_gates_of_the_shelf(name, gates, keepers):
    graph = getattr(cells, name).graph
    assert sorted(gates_of(graph)) == sorted(gates)
    assert {state: str(keeper) for state, keeper in keepers_of(graph).items()} == keepers


def test_the_gates_of_a_cell_with_names_of_its_own():
    @cell
    def leaky(x, memory):
        leave, fresh = affine(x, memory, parts=2)
        leave = sigmoid(leave)
        memory = leave * memory + tanh(fresh)
        return memory

    assert gates_of(leaky.graph) == ["leave"]
    assert keepers_of(leaky.graph) == {"memory": Keeper("leave")}


def test_what_a_gate_takes_away_is_not_what_it_keeps():
    @cell
    def taking(x, h, c):
        z, n = affine(x, h, parts=2)
        z = sigmoid(z)
        c = c + z * c
        h = h - z * h + z * tanh(n)
        return h, c

    assert keepers_of(taking.graph) == {}
    gate = torch.tensor([0.2, 0.5])
    assert torch.equal(Keeper("z", is_rest=True).of(gate), 1 - gate)
    assert torch.equal(Keeper("z").of(gate), gate)
