"""Cells within a larger equation: as if one ran after the other, whatever their widths."""

import pytest
import torch

from unrolled import EquationError, cell, cells
from unrolled.engine import Program
from unrolled.equations import Joining, Width, products_of_input
from unrolled.ops import affine, concat, split, tanh

D, H = Width(input=1), Width(hidden=1)


@cell
def odd(x, h):
    """Uses its input twice, and not only in products."""
    a, b = split(affine(concat(x, h), to=2), 2)
    return tanh(a) + h * b + affine(x)


@pytest.mark.parametrize("below", ["lstm", "gru_v3", odd])
@pytest.mark.parametrize("above", ["gru", "layer_norm_lstm"])
def test_one_cell_above_another(below, above):
    graphs = [one.graph if one is odd else cells.find(one).graph for one in (below, above)]
    made = Joining()
    x = made.leaf("input", D)
    middle = made.joined(graphs[0], x, D, "below")
    whole = Program(made.written("both", made.joined(graphs[1], middle, H, "above")), 3, 4)
    parts = [Program(graphs[0], 3, 4), Program(graphs[1], 4, 4)]
    parameters = [[torch.randn(shape, dtype=torch.float64) for shape in one.parameter_shapes()] for one in parts]
    states = [
        {state.name: torch.randn(2, one.resolve(state.width), dtype=torch.float64) for state in one.graph.states}
        for one in parts
    ]
    numbers = torch.randn(5, 2, 3, dtype=torch.float64)
    inner, after = parts[0].run(numbers, states[0], parameters[0])
    wanted, last = parts[1].run(inner, states[1], parameters[1])
    given = {f"below_{name}": value for name, value in states[0].items()}
    given |= {f"above_{name}": value for name, value in states[1].items()}
    output, ended = whole.run(numbers, given, [*parameters[0], *parameters[1]])
    torch.testing.assert_close(output, wanted)
    for name, value in after.items():
        torch.testing.assert_close(ended[f"below_{name}"], value)
    for name, value in last.items():
        torch.testing.assert_close(ended[f"above_{name}"], value)


def test_a_state_that_nobody_changes_stays():
    made = Joining()
    x = made.leaf("input", D)
    kept = made.state("kept", Width(units=2))
    sums = made.state("sums", Width(units=2))
    made.becomes("sums", sums + kept)
    run = Program(made.written("counting", made.linear(x, H)), 3, 4)
    state = {"kept": torch.tensor([[1.0, 2.0]]), "sums": torch.zeros(1, 2)}
    _, after = run.run(torch.zeros(5, 1, 3), state, [torch.zeros(4, 3), torch.zeros(4)])
    assert after["kept"].tolist() == [[1.0, 2.0]]
    assert after["sums"].tolist() == [[5.0, 10.0]]


def test_what_multiplies_the_input():
    assert products_of_input(cells.find("lstm").graph) == [0]
    assert len(products_of_input(cells.find("gru_v3").graph)) == 2
    assert not products_of_input(odd.graph)


def test_a_cell_with_noise_is_refused():
    made = Joining()
    with pytest.raises(EquationError, match="has noise, and cannot be a part"):
        made.joined(cells.find("lstm(zoneout=0.1)").graph, made.leaf("input", D), D, "one")
