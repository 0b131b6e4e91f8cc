"""When a cell is ONNX's RNN, LSTM or GRU: by what it computes, whatever it is called and however it is written."""

from __future__ import annotations

import pytest
import torch

from tests.exporting import layers
from unrolled import Recurrent, cell, cells
from unrolled.exporting.form import Form, same
from unrolled.exporting.recurrent import layers_of
from unrolled.ops import affine, linear, relu, sigmoid, split, tanh, units


def _operator(rnn):
    return set(layers_of(rnn).written_as.values())


def _check(made, operator):
    """It is written so, and computes the same, in both directions, with other numbers in each place."""
    rnn = Recurrent(made, 5, 7, 2, bidirectional=True)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.normal_(std=0.5)
    assert _operator(rnn) == {operator}
    layers.check(rnn, [6, 1, 4, 0])


OURS = {
    "RNN": [cells.rnn, cells.rnn(bias="shared"), cells.rnn(bias=None), cells.rnn(activation="relu")],
    "LSTM": [
        cells.lstm, cells.lstm(bias="shared"), cells.lstm(bias=None), cells.lstm(activation="relu"),
        cells.lstm(forget_bias=1.0), cells.lstm(dropout=0.3), cells.np,
    ],
    "GRU": [
        cells.gru, cells.gru(bias=None), cells.gru(activation="relu"), cells.gru_v3, cells.gru_v3(bias="shared"),
        cells.gru_v3(bias=None), cells.gru_v3(activation="relu"),
    ],
    "Scan": [
        cells.lstm(activation="sigmoid"), cells.lstm(projection=7), cells.lstm(zoneout=0.1), cells.vanilla, cells.cifg,
        cells.layer_norm_gru, cells.irnn, cells.mut1, cells.rnn(activation="softplus"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("made", "operator"), [(one, name) for name, every in OURS.items() for one in every], ids=lambda one: str(one)
)
def test_the_shelf(made, operator):
    _check(made, operator)


def test_rows_without_a_step_have_no_state():
    """Wherever they stand. (Only onnxruntime 1.19 fails without care: see CONTRIBUTING.)"""
    layers.check(Recurrent(cells.rnn, 5, 7, 2), [2, 0, 0, 5, 0, 1, 0])


@cell
def torch_order(x, h, c):
    """The gates in torch's order."""
    i, f, g, o = affine(x, h, parts=4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h, c


@cell
def a_matrix_for_each_gate(x, past, memory):
    """Other names, sums and products the other way round."""
    out = sigmoid(affine(x, past))
    new = tanh(affine(x, past))
    keep, take = sigmoid(affine(x, past)), sigmoid(affine(x, past))
    memory = new * take + memory * keep
    past = tanh(memory) * out
    return past, memory


@cell
def cut_twice(x, h, c):
    """Halves of halves."""
    first, second = split(affine(x, h, to=4), [2, 2])
    (o, i), (g, f) = split(first, 2), split(second, 2)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h, c


@cell
def one_gate_twice(x, h, c):
    """The output gate is the input gate: rows that stand in two places."""
    i, f, g = affine(x, h, parts=3)
    i = sigmoid(i)
    c = sigmoid(f) * c + i * tanh(g)
    h = i * tanh(c)
    return h, c


@cell
def kept_first(x, h):
    """Cho's second order, update gate first."""
    z, r = affine(x, h, parts=2)
    z, r = sigmoid(z), sigmoid(r)
    h = (1 - z) * tanh(affine(x, r * h)) + z * h
    return h


@pytest.mark.parametrize("made", [torch_order, a_matrix_for_each_gate, cut_twice, one_gate_twice], ids=repr)
def test_an_lstm_by_another_name(made):
    _check(made, "LSTM")


def test_a_gru_by_another_name():
    _check(kept_first, "GRU")


@cell
def lstm(x, h, c):
    """Called lstm: but what is forgotten is what is not taken."""
    i, f, o, g = affine(x, h, parts=4)
    i, o, g = sigmoid(i), sigmoid(o), tanh(g)
    c = (1 - i) * c + i * g + 0.0 * f
    h = o * tanh(c)
    return h, c


@cell
def gru(x, h):
    """Called gru: z multiplies the candidate, as char-rnn has it."""
    r, z = affine(x, h, parts=2)
    r, z = sigmoid(r), sigmoid(z)
    h = (1 - z) * h + z * tanh(affine(x, r * h))
    return h


@cell
def gives_memory(x, h, c):
    """An LSTM whose output is c."""
    h, c = cells.lstm(x, h, c)
    return c, h, c


@cell
def sees_the_new_state(x, h, c):
    """The output gate reads c as it ends."""
    i, f, g = affine(x, h, parts=3)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(affine(x, c)) * tanh(c)
    return h, c


@cell
def other_squash(x, h, c):
    """ReLU in one of two places."""
    i, f, o, g = affine(x, h, parts=4)
    c = sigmoid(f) * c + sigmoid(i) * relu(g)
    h = sigmoid(o) * tanh(c)
    return h, c


@cell(widths={"h": 7})
def seven_units(x, h):
    """As wide as the layer, by chance."""
    h = tanh(linear(x, to=units(7)) + linear(h, to=units(7)))
    return h


@cell
def past_twice(x, h):
    """Both matrices multiply h."""
    h = tanh(affine(h) + affine(h))
    return h


NEARLY = [lstm, gru, gives_memory, sees_the_new_state, other_squash, seven_units, past_twice]


@pytest.mark.parametrize("made", NEARLY, ids=repr)
def test_what_is_not_quite_one(made):
    _check(made, "Scan")


def test_a_cell_of_many_nodes():
    @cell
    def long(x, h):
        h = tanh(affine(x, h))
        for _ in range(3000):
            h = 0.999 * h
        return h

    assert _operator(Recurrent(long, 5, 7)) == {"Scan"}


def test_where_the_rows_are():
    rows = same(Form(cells.lstm.graph), Form(torch_order.graph))
    starts = {str(mine.start): str(theirs.start) for mine, theirs in rows.items() if mine.slot == 0}
    assert starts == {"0": "0", "H": "H", "2H": "3H", "3H": "2H"}
    assert same(Form(cells.lstm.graph), Form(cells.gru.graph)) is None
