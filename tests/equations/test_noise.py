"""Noise in graphs: on average, and added to any cell."""

from __future__ import annotations

import json

import pytest
import torch

from tests.cells.papers import noisy, with_read_out
from unrolled import CellError, EquationError, Graph, GraphError, Recurrent, cell, cells
from unrolled.engine.direct import direct_step
from unrolled.equations import expectation, products
from unrolled.ops import affine, dropout, tanh, zoneout

SHELF = sorted(cells.shelf().items())


@pytest.mark.parametrize(("name", "one"), SHELF)
def test_dropout_costs_evaluation_nothing(name, one):
    mine, wanted = expectation(one(dropout=0.3).graph), expectation(one.graph)
    assert (mine.nodes, mine.names, mine.states) == (wanted.nodes, wanted.names, wanted.states)


@pytest.mark.parametrize(("name", "one"), SHELF)
def test_every_cell_takes_noise(name, one):
    graph = one(zoneout=0.1, dropout=0.3).graph
    assert Graph.from_json(graph.to_json()) == graph
    multiplied = {node.operands[0] for node in one.graph.nodes if node.operation == "linear"}
    assert len(graph.noise) == len(graph.states) + len(multiplied)
    assert graph.parameters == one.graph.parameters
    assert products(graph) == products(one.graph)  # what could be done before the loop still can


def test_zoneout_is_a_mean_in_evaluation():
    nodes = expectation(cells.rnn(zoneout=0.25).graph).nodes
    assert [node.operation for node in nodes[:-5]] == [node.operation for node in cells.rnn.graph.nodes]
    stays, old, changes, new, both = nodes[-5:]
    assert (stays.attributes["value"], changes.attributes["value"]) == (0.25, 0.75)
    assert [node.operation for node in (old, new, both)] == ["multiply", "multiply", "add"]


def test_evaluation_is_the_equation_with_means():
    """The function itself, called on the mean of each mask."""
    layer = Recurrent(noisy, 5, 9, dtype=torch.float64).eval()
    x, state = torch.randn(1, 3, 5, dtype=torch.float64), {one: torch.randn(1, 3, 9).double() for one in "hc"}
    output, after = layer(x, state)
    means = [torch.full((3, one.width), one.mean, dtype=torch.float64) for one in layer.layer0.program.noise]
    assert [one[0, 0].item() for one in means] == [1.0, 1.0, 1.0, 0.4, 0.1]
    now = {name: value[0] for name, value in state.items()}
    wanted, wanted_after = direct_step(noisy, x[0], now, list(layer.parameters()), 9, means)
    torch.testing.assert_close(output[0], wanted, rtol=1e-14, atol=1e-14)
    for name in "hc":
        torch.testing.assert_close(after[name][0], wanted_after[name], rtol=1e-14, atol=1e-14)


def _drawn(graph):
    return [
        (str(node.width), *(node.attributes[key] for key in ("probability", "mean", "per"))) for node in graph.noise
    ]


def test_where_the_noise_stands():
    graph = cells.lstm(zoneout={"c": 0.5}, dropout={"state": 0.25}).graph
    assert _drawn(graph) == [("H", 0.75, 1.0, "sequence"), ("H", 0.5, 0.5, "step")]
    assert graph.states[0].after == graph.names["h"] == graph.output
    assert graph.nodes[graph.names["c"]].operation == "add"
    kept, changed = (graph.nodes[place] for place in graph.nodes[graph.names["c"]].operands)
    assert graph.names["c@0"] in kept.operands
    assert graph.names["c@1"] in changed.operands
    assert [graph.nodes[place].operation for place in graph.nodes[graph.names["h"]].operands] == ["sigmoid", "tanh"]


def test_a_zoned_out_output_is_given_out():
    graph = cells.gru(zoneout=0.1).graph
    assert graph.output == graph.states[0].after == graph.names["h"]
    assert graph.names["h@1"] != graph.names["h"]
    separate = with_read_out(zoneout=0.1).graph  # an output that is no state has none
    assert separate.output == separate.names["y"]


def test_a_value_that_two_matrices_multiply_has_one_mask():
    assert _drawn(cells.gru_v3(dropout=0.5).graph) == [
        ("D", 0.5, 1.0, "sequence"), ("H", 0.5, 1.0, "sequence"), ("H", 0.5, 1.0, "sequence"),
    ]  # x, h, and r * h  # fmt: skip


def test_no_rate_is_no_noise():
    @cell
    def calm(x, h):
        return zoneout(tanh(affine(dropout(x, 0), h)), h, 0.0)

    assert not calm.graph.noise
    assert cells.rnn(zoneout=0, dropout={"input": 0.0}).graph.nodes == cells.rnn.graph.nodes


def test_the_cell_s_own_noise_keeps_its_numbers():
    graph = noisy(zoneout=0.5, dropout=0.1).graph
    assert _drawn(graph)[:5] == _drawn(noisy.graph)
    assert len(graph.noise) == 5 + 2 + 2


def test_an_option_of_one_s_own_comes_first():
    @cell
    def own(x, h, *, dropout=0.0):
        return tanh(affine(x, h)) + dropout

    assert own(dropout=7.0).graph.noise == ()
    assert own(dropout=7.0, zoneout=0.5).graph.noise


def test_a_variant_is_told_whole():
    one = cells.lstm(forget_bias=1.0)(zoneout={"h": 0.05, "c": 0.5})
    assert repr(one) == "lstm(forget_bias=1.0, zoneout={'h': 0.05, 'c': 0.5})" == one.graph.cell
    assert cells.find(repr(one)) == one


REFUSED = {
    "zoneout=1": (lambda: cells.rnn(zoneout=1), "zoneout=1: give a probability, at least 0 and below 1"),
    "zoneout=True": (lambda: cells.rnn(zoneout=True), "zoneout=True: give a probability"),
    "dropout='much'": (lambda: cells.rnn(dropout="much"), "dropout='much': give a probability"),
    "no such state": (lambda: cells.lstm(zoneout={"hh": 0.1}), "zoneout of 'hh': .* for h and c. Did you mean 'h'"),
    "no such operand": (lambda: cells.lstm(dropout={"h": 0.1}), "dropout of 'h': .* for input and state"),
    "no such option": (
        lambda: cells.rnn(dropot=0.1),
        "no option 'dropot'; .* zoneout, dropout. Did you mean 'dropout'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_cell_takes(name):
    make, message = REFUSED[name]
    with pytest.raises(CellError, match=message):
        make()


WRONG = {
    "a number": (lambda x, h: dropout(1.0, 0.5) * h, "dropout was given the number 1.0"),
    "an old number": (lambda x, h: zoneout(h, 0.0, 0.5), "zoneout was given the number 0.0"),
    "a rate of 1": (lambda x, h: dropout(h, 1.0), "dropout was given the rate 1.0: give a probability"),
    "a rate that is a value": (lambda x, h: dropout(h, h), "dropout was given the rate <value H wide>"),
    "per layer": (lambda x, h: dropout(h, 0.5, per="layer"), "per='layer': noise is drawn per='step' or per='seq"),
    "other widths": (lambda x, h: zoneout(h, x, 0.5), "values H and D wide"),
    "noise inside": (lambda x, h: cells.rnn(x, h, dropout=0.5), "rnn\\(dropout=0.5\\) is called inside another cell"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_words_refuse(name):
    function, message = WRONG[name]
    with pytest.raises(EquationError, match=message):
        cell(lambda x, h: function(x, h)).graph


DAMAGES = {
    "a slot twice": lambda noise: noise.update(slot=1),
    "no probability": lambda noise: noise.update(probability=0.0),
    "too much probability": lambda noise: noise.update(probability=1.5),
    "another rhythm": lambda noise: noise.update(per="epoch"),
    "no mean": lambda noise: noise.pop("mean"),
    "a probability that is no number": lambda noise: noise.update(probability="0.5"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_noise_is_refused(damage):
    plain = json.loads(noisy.graph.to_json())
    DAMAGES[damage](next(node for node in plain["nodes"] if node["operation"] == "noise")["attributes"])
    with pytest.raises(GraphError):
        Graph.from_json(json.dumps(plain))


def _with_bare_noise() -> Graph:
    """A graph that no function could say: a state that is nothing but noise."""
    plain = json.loads(cells.rnn.graph.to_json())
    attributes = {"slot": 0, "probability": 0.5, "mean": 0.5, "per": "step"}
    plain["nodes"].append({"operation": "noise", "width": "H", "attributes": attributes})
    plain["output"] = plain["states"][0]["after"] = len(plain["nodes"]) - 1
    return Graph.from_json(json.dumps(plain))


def test_noise_alone_has_no_mean_with_a_width():
    with pytest.raises(GraphError, match="there is no node -1"):
        expectation(_with_bare_noise())
