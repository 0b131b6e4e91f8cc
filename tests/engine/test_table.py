"""Every operation of the table against NumPy: its values, its gradient, NaN and the ends of the range."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unrolled.engine.table import _TABLE, function_of
from unrolled.equations.operations import OPERATIONS

TINY = 1e-300


def _norm(value, gain, bias):
    centred = value - value.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 0.01) * gain + bias


ATTRIBUTES = {"norm": {"eps": 0.01}, "part": {"start": "1", "width": "3"}, "linear": {"columns": "5"}}
BY_HAND = {
    "negative": lambda a: -a,
    "absolute": np.abs,
    "exp": np.exp,
    "log": lambda a: np.log(np.abs(a)),
    "sqrt": lambda a: np.sqrt(np.abs(a)),
    "sin": np.sin,
    "cos": np.cos,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": np.tanh,
    "relu": lambda a: np.where(a > 0, a, 0),
    "softplus": lambda a: np.log1p(np.exp(-np.abs(a))) + np.maximum(a, 0),
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": lambda a, b: np.abs(a) ** b,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "where": lambda a, b, c: np.where(a > b, b, c),
    "linear": lambda a, w, b: a @ w.T + b,
    "norm": _norm,
    "part": lambda a: a[..., 1:4],
    "concat": lambda a, b: np.concatenate([a, b], -1),
}
POSITIVE_FIRST = ("log", "sqrt", "power")
COMPARISONS = ("greater", "greater_equal", "less", "less_equal")


def _function(name):
    function = function_of(name, ATTRIBUTES.get(name, {}), lambda width: width.units)
    if name in POSITIVE_FIRST:
        return lambda a, *rest: function(a.abs(), *rest)
    return (lambda a, b, c: function(a > b, b, c)) if name == "where" else function


def _operands(name):
    count = {"linear": 3, "norm": 3, "concat": 2}.get(name, OPERATIONS[name].counts.stop - 1)
    shapes = {"linear": [(4, 5), (3, 5), (3,)], "norm": [(4, 5), (5,), (5,)]}.get(name, [(4, 5)] * count)
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def test_every_operation_is_here():
    assert set(BY_HAND) == set(OPERATIONS) == {*_TABLE, "part", "norm"}


@pytest.mark.parametrize("name", BY_HAND)
def test_values(name):
    operands = _operands(name)
    got = _function(name)(*operands)
    np.testing.assert_allclose(got.numpy(), BY_HAND[name](*(one.numpy() for one in operands)), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", [name for name in BY_HAND if name not in COMPARISONS])
def test_gradients(name):
    operands = [one.requires_grad_() for one in _operands(name)]
    assert torch.autograd.gradcheck(_function(name), operands)


@pytest.mark.parametrize("name", [name for name in BY_HAND if name not in (*COMPARISONS, "where", "part", "concat")])
def test_nan_goes_through(name):
    operands = _operands(name)
    operands[0][1, 2] = torch.nan
    assert _function(name)(*operands)[1].isnan().any()


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "softplus", "exp", "absolute", "negative"])
def test_the_ends_of_the_range(name):
    ends = torch.tensor([-1e300, -800.0, -30.0, -TINY, 0.0, TINY, 30.0, 600.0], dtype=torch.float64)
    with np.errstate(over="ignore"):
        want = BY_HAND[name](ends.numpy())
    np.testing.assert_allclose(_function(name)(ends).numpy(), want, rtol=1e-13)
