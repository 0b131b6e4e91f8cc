"""The graph as data: JSON and back, checks of what is read, widths, schedule, parameters' names."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cells.checks import CASES
from tests.cells.papers import peephole_lstm, with_read_out
from unrolled import Graph, GraphError, cell, cells
from unrolled.cells import ind_rnn, layer_norm_lstm, min_gru
from unrolled.equations import Width, products, schedule
from unrolled.ops import affine, bias, linear, tanh


@pytest.mark.parametrize("case", CASES, ids=str)
def test_json_and_back(case):
    graph = case.cell.graph
    assert Graph.from_json(graph.to_json()) == graph


def _damage(change) -> str:
    plain = json.loads(cells.lstm.graph.to_json())
    change(plain)
    return json.dumps(plain)


DAMAGES = {
    "not JSON": lambda: "{",
    "a list": lambda: "[]",
    "another version": lambda: _damage(lambda g: g.update(version=2)),
    "an unknown field": lambda: _damage(lambda g: g.update(color="red")),
    "no nodes": lambda: _damage(lambda g: g.update(nodes=[])),
    "a later operand": lambda: _damage(lambda g: g["nodes"][5].update(operands=[0, 3, 40])),
    "an operand below zero": lambda: _damage(lambda g: g["nodes"][5].update(operands=[0, 3, -1])),
    "an unknown operation": lambda: _damage(lambda g: g["nodes"][5].update(operation="eval")),
    "another width": lambda: _damage(lambda g: g["nodes"][5].update(width="3H")),
    "no width": lambda: _damage(lambda g: g["nodes"][5].update(width="")),
    "a slot too far": lambda: _damage(lambda g: g["nodes"][3]["attributes"].update(slot=9)),
    "a slot that is no number": lambda: _damage(lambda g: g["nodes"][3]["attributes"].update(slot="0")),
    "no slot": lambda: _damage(lambda g: g["nodes"][3].pop("attributes")),
    "no columns": lambda: _damage(lambda g: g["nodes"][5].pop("attributes")),
    "a name of nothing": lambda: _damage(lambda g: g["names"].update(c=99)),
    "an output of nothing": lambda: _damage(lambda g: g.update(output=99)),
    "a state of another width": lambda: _damage(lambda g: g["states"][1].update(width="2H")),
    "an unknown initial value": lambda: _damage(lambda g: g["parameters"][0].update(initial=[{"name": "exec"}])),
    "a parameter's name with a dot": lambda: _damage(lambda g: g["parameters"][0].update(name="a.b")),
    "two parameters of one name": lambda: _damage(lambda g: g["parameters"][0].update(name="bias_i_x")),
    "a parameter called forward": lambda: _damage(lambda g: g["parameters"][0].update(name="forward")),
    "a part past the end": lambda: _damage(lambda g: g["nodes"][13]["attributes"].update(start="9H")),
    "a matrix that is no parameter": lambda: _damage(lambda g: g["nodes"][5].update(operands=[0, 0, 4])),
    "columns that are not the matrix's": lambda: _damage(lambda g: g["parameters"][0].update(columns="H")),
    "a bias of another width": lambda: _damage(lambda g: g["nodes"][5].update(operands=[0, 3, 0])),
    "two states from one node": lambda: _damage(lambda g: g["states"][1].update(before=1)),
    "a state that is not listed": lambda: _damage(lambda g: g["states"].pop()),
    "a second input": lambda: _damage(lambda g: g["nodes"].append({"operation": "input", "width": "D"})),
    "a state of another name": lambda: _damage(lambda g: g["nodes"][1]["attributes"].update(name="c")),
    "a matrix as a vector": lambda: _damage(lambda g: g["nodes"][14].update(operands=[3], width="4H")),
    "a matrix as the output": lambda: _damage(lambda g: g.update(output=3)),
    "a comparison as the output": lambda: _damage(
        lambda g: (
            g["nodes"].append({"operation": "greater", "operands": [1, 2], "width": "H"})
            or g.update(output=len(g["nodes"]) - 1)
        )
    ),
    "no version": lambda: _damage(lambda g: g.pop("version")),
    "no initial value": lambda: _damage(lambda g: g["parameters"][0].update(initial=[])),
    "no word on an initial value": lambda: _damage(lambda g: g["parameters"][0].pop("initial")),
    "a deviation below zero": lambda: _damage(
        lambda g: g["parameters"][0].update(initial=[{"name": "normal", "numbers": [-1.0]}])
    ),
    "a width of 5,000 digits": lambda: _damage(lambda g: g["parameters"][0].update(rows="9" * 5000)),
    "a width of nothing": lambda: _damage(lambda g: g["parameters"][0].update(rows="0")),
    "no states": lambda: _damage(lambda g: g.update(states=[])),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_graph_is_refused(damage):
    with pytest.raises(GraphError):
        Graph.from_json(DAMAGES[damage]())


widths = st.builds(Width, st.integers(0, 9), st.integers(0, 9), st.integers(0, 99))


@given(widths, widths, st.integers(1, 50), st.integers(1, 50))
def test_widths_are_linear_and_readable(a, b, input_size, hidden_size):
    assert (a + b).resolve(input_size, hidden_size) == a.resolve(input_size, hidden_size) + b.resolve(
        input_size, hidden_size
    )
    assert Width.parse(str(a)) == a
    assert (a * 3).divided(3) == a


@pytest.mark.parametrize("text", ["", "X", "H+", "-H", "1.5H", "4HD", "D4", "9" * 5000, "\u0664H"])
def test_what_is_no_width(text):
    with pytest.raises(GraphError, match="not a width"):
        Width.parse(text)


def test_a_width_has_an_end():
    with pytest.raises(GraphError, match="a width of 9999999999H is too much"):
        Width.parse("9999999999H")
    assert not Width.parse("0H")


def test_products_leave_the_loop():
    assert products(min_gru.graph) == [("weight_z", "before"), ("weight_n", "before")]
    assert products(cells.lstm.graph) == [("weight_i_x", "before"), ("weight_i_h", "during")]
    assert products(with_read_out.graph) == [("weight_h_x", "before"), ("weight_h_h", "during"), ("weight_y", "after")]
    assert [when for _, when in products(cells.gru_v3.graph)] == ["before", "during", "before", "during"]


def test_the_schedule_of_every_node():
    graph = with_read_out.graph
    when = dict(zip(graph.names, (schedule(graph)[place] for place in graph.names.values()), strict=True))
    assert when == {"x": "before", "h@0": "during", "h": "during", "y": "after"}


NAMED = {
    "peephole_lstm": (
        peephole_lstm,
        ["weight_i_x", "bias_i_x", "weight_i_h", "bias_i_h", "weight_i", "weight_f", "weight_o"],
    ),
    "layer_norm_lstm": (
        layer_norm_lstm,
        ["weight_i", "gain_i", "bias_i", "weight_i_2", "gain_i_2", "bias_i_2", "bias_i_3", "gain_h", "bias_h"],
    ),
    "ind_rnn": (ind_rnn, ["weight_h", "bias_h", "weight_h_2"]),
    "gru": (cells.gru, ["weight_r_x", "bias_r_x", "weight_r_h", "bias_r_h"]),
}


@pytest.mark.parametrize("name", NAMED)
def test_parameters_are_named_after_what_they_feed(name):
    one, names = NAMED[name]
    assert [parameter.name for parameter in one.graph.parameters] == names


def test_a_name_of_one_s_own():
    @cell
    def named(x, h):
        return tanh(affine(x, h, name="recurrence") + bias(name="recurrence"))

    assert [parameter.name for parameter in named.graph.parameters] == [
        "weight_recurrence_x", "bias_recurrence_x", "weight_recurrence_h", "bias_recurrence_h", "bias_recurrence",
    ]  # fmt: skip


def test_a_cell_inside_a_cell():
    @cell
    def residual(x, h, c):
        inner, c = cells.lstm(x, h, c, forget_bias=1.0)
        h = inner + linear(x)
        return h, c

    assert {"inner", "h", "c"} <= set(residual.graph.names)
    assert len(residual.graph.parameters) == 5


def test_cells_are_cells_not_files():
    from unrolled.equations import Cell

    for name in ("rnn", "lstm", "gru", "gru_v3"):
        assert isinstance(getattr(cells, name), Cell)
