"""Any cell as a `Scan`, and as one step: the whole shelf, cells of the tests, and cells made to break it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from tests.cells.checks import CASES, layer_of, random_state
from tests.equations import random_cells
from tests.exporting import layers
from unrolled import Recurrent, cell
from unrolled.equations.operations import OPERATIONS
from unrolled.exporting import native
from unrolled.exporting import operations as table
from unrolled.ops import (
    affine,
    bias,
    concat,
    exp,
    linear,
    log,
    norm,
    relu,
    sigmoid,
    softplus,
    split,
    tanh,
    weight,
    where,
)


@pytest.fixture
def no_native(monkeypatch):
    monkeypatch.setattr(native, "native_of", lambda _: None)


def _lively(rnn):
    """Weights of order 1, so that each of them matters."""
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.normal_(std=0.5)
    return rnn


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_cell(case, no_native):
    rnn = layer_of(case.cell, torch.float32, num_layers=2)
    layers.check(rnn, [6, 1, 4, 0], random_state(rnn, 4, case.positive))


@pytest.mark.parametrize("name", ["lstm", "sru", "layer_norm_gru"])
def test_both_directions(name, no_native):
    layers.check(_lively(Recurrent(name, 5, 7, 2, bidirectional=True)), [6, 1, 4, 0])


def test_it_is_a_loop_of_as_many_steps_as_there_are():
    rnn = _lively(Recurrent("sru", 5, 7))
    operators = [call.operator for call in layers.whole_of(rnn).calls]
    assert operators.count("Scan") == 1
    layers.check(rnn, [200, 3])


@cell
def asks_before(x, h, c):
    """Comparisons of what comes before the loop, and after it."""
    a, b = affine(x, parts=2)
    h = where(a > 0, tanh(linear(h)), 0.5 * h)
    c = where(c >= b, c - 0.1, 0.9 * b)
    y = where(h < c, h, -c) + where(h <= 0.1, 1.0, c)
    return y, h, c


@cell
def of_parameters_alone(x, h, c):
    """An output and a state that no row changes, and a state that forgets itself."""
    h = tanh(affine(x))
    c = sigmoid(bias())
    y = concat(c, weight())
    return y, h, c


@cell
def of_the_input_alone(x, h):
    """A state that nobody reads."""
    h = tanh(affine(x))
    return h


@cell
def the_state_before(x, h):
    """Gives out what it was."""
    y = concat(h, weight(), x)
    h = tanh(affine(x, h))
    return y, h


@cell
def every_word(x, h):
    """What the others leave out."""
    a, b = split(concat(norm(linear(x)), h), 2)
    c = log(exp(-abs(a)) + 1.5) ** 1.5 / (1 + relu(b)) ** 0.5 + linear(weight(), to=1)
    h = tanh(norm(c * weight()) + norm(bias(init=[1.0])))
    return h


@cell
def named_like_the_graph(x, output, lengths, real):
    """States with the names of what else there is."""
    output, lengths, real = tanh(affine(x, output)), lengths + 0.1 * output, real * 0.5 + output
    return real, output, lengths, real


ODD = [asks_before, of_parameters_alone, of_the_input_alone, the_state_before, every_word, named_like_the_graph]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_cells(odd):
    rnn = _lively(Recurrent(odd, 5, 7, 2))
    layers.check(rnn, [6, 1, 4, 0], random_state_of(rnn, 4))
    layers.check(_lively(Recurrent(odd, 5, 7, 1, bidirectional=True)), [3, 5])


def random_state_of(rnn, rows):
    return {name: torch.randn_like(value) for name, value in rnn.zero_state(rows).items()}


@cell
def small_softplus(x, h):
    """The logarithm of a small number, of which all digits count."""
    h = log(softplus(affine(x, h) - 14.0)) / 14.0
    return h


def test_a_small_softplus_keeps_its_digits():
    layers.check(_lively(Recurrent(small_softplus, 5, 7)), [6, 1, 4, 0])


@cell
def norm_of_large(x, h):
    """What is normalised is small beside its mean."""
    h = tanh(norm(affine(x, h) + 300.0))
    return h


def test_a_norm_keeps_its_digits():
    layers.check(_lively(Recurrent(norm_of_large, 5, 7)), [6, 1, 4, 0])


def test_the_table_has_every_operation():
    others = {"linear", "norm", "part", "concat"}
    assert table.OPERATORS.keys() | others == OPERATIONS.keys()
    assert not table.OPERATORS.keys() & others


@pytest.mark.proof
@given(random_cells.programs, random_cells.returns)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_random_cells(body, last):
    source = random_cells.source_of(body, last)
    made = cell(random_cells.defined(source, {}))
    torch.manual_seed(0)
    rnn = Recurrent(made, 5, 7, 2)
    layers.check(rnn, [4, 1, 3], random_state_of(rnn, 3))
