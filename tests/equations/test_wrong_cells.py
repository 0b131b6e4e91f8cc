"""Cells that the language cannot say: each is refused with a message that names the line and says what to do."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unrolled import CellError, EquationError, Recurrent, UnrolledError, cell, cells
from unrolled.ops import (
    affine,
    bias,
    concat,
    elementwise,
    linear,
    maximum,
    minimum,
    norm,
    sigmoid,
    split,
    tanh,
    weight,
    where,
)

TENSOR = torch.ones(3)


def closure_over_a_tensor(x, h):
    return tanh(affine(x, h)) * TENSOR  # here


def tensor_on_the_left(x, h):
    return TENSOR * h  # here


def array_on_the_left(x, h):
    return np.ones(3) * h  # here


def array_on_the_right(x, h):
    return h * np.ones(3)  # here


def numpy_number(x, h):
    return h * np.float64(2)  # here


def torch_function(x, h):
    return torch.tanh(h)  # here


def torch_functional(x, h):
    return F.softmax(h, dim=-1)  # here


def numpy_function(x, h):
    return np.tanh(h)  # here


def math_function(x, h):
    return h * math.exp(h)  # here


def branching(x, h):
    if h > 0:  # here
        return h
    return -h


def chained_comparison(x, h):
    return where(0 < h < 1, h, 0.0)  # here


def python_s_max(x, h):
    return max(h, 0.0)  # here


def equality(x, h):
    return where(h == 0, h, 1.0)  # here


def indexing(x, h):
    return h[0]  # here


def unpacking(x, h):
    r, _ = affine(x, h)  # here
    return r * h


def arithmetic_on_a_tuple(x, h):
    gates = affine(x, h, parts=2)
    return sigmoid(gates)  # here


def matrix_operator(x, h):
    return h @ h  # here


def an_unknown_operator(x, h):
    return h % 2  # here


def an_attribute(x, h):
    return h.sum()  # here


def width_mismatch(x, h):
    return tanh(x + h)  # here


def wide_mismatch(x, h):
    a = linear(x, to=2)
    return h + a  # here


def uneven_split(x, h):
    a, _ = split(concat(x, h), 2)  # here
    return a


def wrong_parts(x, h):
    a, _ = split(h, [1, 1])  # here
    return a


def a_comparison_as_a_number(x, h):
    return h * (h > 0)  # here


def a_number_as_a_condition(x, h):
    return where(h, h, 0.0)  # here


def a_list_as_an_operand(x, h):
    return tanh([h, h])  # here


def nothing_as_an_operand(x, h):
    return tanh(None)  # here


def a_bool_as_an_operand(x, h):
    return h * True  # here


def a_wrong_bias(x, h):
    return affine(x, h, bias="both")  # here


def a_wrong_width(x, h):
    return linear(h, to=1.5)  # here


def an_unknown_initial_value(x, h):
    return affine(x, h, init="ortogonal")  # here


def initial_values_of_another_count(x, h):
    a, b = affine(x, h, parts=2, bias_init=[0.0, 1.0, 2.0])  # here
    return a * b


def an_unknown_activation(x, h):
    return elementwise("tahn")(affine(x, h))  # here


def a_name_that_is_none(x, h):
    return affine(x, h, name="my weight")  # here


def an_error_of_python(x, h):
    return tanh(undefined)  # here  # noqa: F821


def a_number_to_multiply(x, h):
    return linear(3.0)  # here


def an_infinite_constant(x, h):
    return minimum(h, math.inf)  # here


def _helper(value):
    return value * TENSOR  # here


def in_a_helper(x, h):
    return _helper(h)


AT_THE_LINE = {
    closure_over_a_tensor: "no value of the cell: a learned array is weight(), a matrix linear(value)",
    tensor_on_the_left: "multiply was given a torch tensor, which is no value of the cell",
    array_on_the_left: "numpy's multiply met a value of the cell",
    array_on_the_right: "multiply was given a numpy value",
    numpy_number: "multiply was given a numpy value",
    torch_function: "torch's tanh met a value of the cell: use the functions of unrolled.ops",
    torch_functional: "torch's softmax met a value of the cell",
    numpy_function: "numpy's tanh met a value of the cell: use the functions of unrolled.ops",
    math_function: "a value is used as a plain number",
    branching: "a value is used as True or False",
    chained_comparison: "a value is used as True or False",
    python_s_max: "Use where(condition, a, b), maximum(a, b) or minimum(a, b)",
    equality: "two values are compared for equality",
    indexing: "cut it into equal parts with split(value, parts)",
    unpacking: "affine(..., parts=n) and split(value, n) give n values",
    arithmetic_on_a_tuple: "a tuple of 2 values: affine(..., parts=n) and split give one; unpack it",
    matrix_operator: "linear(value) and affine(value, ...) hold their own matrices",
    an_unknown_operator: "this operator is not of the language",
    an_attribute: "a value has no attribute 'sum'",
    width_mismatch: "values D and H wide: they must be equally wide. A matrix changes a width: linear(value)",
    wide_mismatch: "values H and 2H wide",
    uneven_split: "a value H+D wide cannot be split into 2 equal parts",
    wrong_parts: "parts H + H wide do not make up a value H wide",
    a_comparison_as_a_number: "multiply was given a comparison: it has no number. Use where(condition, 1.0, 0.0)",
    a_number_as_a_condition: "where needs a comparison first: where(x > 0, a, b)",
    a_list_as_an_operand: "tanh was given",
    nothing_as_an_operand: "tanh was given None, which is no value of the cell",
    a_bool_as_an_operand: "multiply was given True, which is no value of the cell",
    a_wrong_bias: "affine has bias='each', 'shared' or None",
    a_wrong_width: "1.5 is not a width",
    an_unknown_initial_value: "no initial value is called 'ortogonal'",
    initial_values_of_another_count: "3 initial values were given for 2 parts",
    an_unknown_activation: "Did you mean 'tanh'?",
    a_name_that_is_none: "'my weight' cannot be the name of a parameter",
    an_error_of_python: "NameError: name 'undefined' is not defined",
    a_number_to_multiply: "linear was given the number 3.0: it needs a value of the cell",
    an_infinite_constant: "minimum was given inf: constants are finite numbers",
    in_a_helper: "multiply was given a torch tensor",
}


def _line_of(function) -> int:
    """The number of the line that is marked, in the function or in its helper."""
    code = _helper.__code__ if function is in_a_helper else function.__code__
    with open(__file__, encoding="utf-8") as file:
        lines = file.read().splitlines()
    return next(n for n in range(code.co_firstlineno, len(lines) + 1) if "# here" in lines[n - 1])


@pytest.mark.parametrize("function", AT_THE_LINE, ids=lambda function: function.__name__)
def test_the_message_says_what_and_where(function):
    with pytest.raises(EquationError) as refused:
        _ = cell(function).graph
    message = str(refused.value)
    assert AT_THE_LINE[function] in message
    assert message.startswith(f"cell {function.__name__}: ")
    assert f"{__file__}:{_line_of(function)}, in " in message
    assert "# here" in message, "the line itself is shown"


def permuted(x, h, c):
    i, g = affine(x, h, parts=2)
    c = c + i * g
    h = tanh(c)
    return c, h


def rotated(x, a, b, c):
    a, b, c = tanh(a), sigmoid(b), b + c
    return b, c, a


def too_few(x, h, c):
    return tanh(affine(x, h))


def too_many(x, h):
    return h, h, h


def nothing(x, h):
    tanh(affine(x, h))


def a_dict(x, h):
    return {"h": h}


def a_comparison(x, h):
    return h > 0


def too_wide(x, h):
    return linear(h, to=2)


def a_number(x, h):
    return 0.0


RETURNED = {
    permuted: "it returned the states h and c in each other's places; wanted: return h, c",
    rotated: "it returned the states a and b and c in each other's places; wanted: return a, b, c",
    too_few: "it returned 1 value for 2 states (h, c): return the new states in this order, or an output before them",
    too_many: "it returned 3 values for 1 state (h)",
    nothing: "it returned None, which is no value of the cell; wanted: return h",
    a_dict: "it returned {'h': <value H wide>}, which is no value of the cell",
    a_comparison: "it returned a comparison: it has no number",
    too_wide: "the new h is 2H wide, the state h is H wide",
    a_number: "it returned 0.0, which is no value of the cell",
}


@pytest.mark.parametrize("function", RETURNED, ids=lambda function: function.__name__)
def test_what_is_returned(function):
    with pytest.raises(EquationError) as refused:
        _ = cell(function).graph
    assert RETURNED[function] in str(refused.value)
    assert f"{__file__}:{function.__code__.co_firstlineno}, in {function.__name__}" in str(refused.value)


def test_a_value_kept_from_another_cell():
    kept = []

    @cell
    def keeps(x, h):
        kept.append(h)
        return tanh(h)

    @cell
    def uses(x, h):
        return h + kept[0]

    _ = keeps.graph
    with pytest.raises(EquationError, match="a value of another cell, kept from an earlier call"):
        _ = uses.graph


def test_words_outside_a_cell():
    for word in (lambda: affine(1.0), lambda: tanh(0.5), lambda: weight(), lambda: bias(), lambda: maximum(1, 2)):
        with pytest.raises(EquationError, match="works inside a function marked @unrolled.cell"):
            word()


SIGNATURES = [
    (lambda x: x, "takes x: a cell takes the input and at least one state"),
    (lambda: None, "takes nothing"),
    (lambda x, *states: x, "name every state and every option"),
    (lambda x, h, **options: x, "name every state and every option"),
    (functools.partial(norm), "@cell marks a plain function"),
    ("lstm", "@cell marks a plain function"),
]


@pytest.mark.parametrize(("function", "message"), SIGNATURES)
def test_signatures(function, message):
    with pytest.raises(CellError, match=None) as refused:
        cell(function)
    assert message in str(refused.value)


def test_options():
    @cell
    def gated(x, h, *, sharpness=1.0, needed):
        return tanh(affine(x, h)) * sharpness * needed

    with pytest.raises(CellError, match=r"has no option 'sharpnes'.*Did you mean 'sharpness'\?"):
        gated(sharpnes=2.0)
    with pytest.raises(EquationError, match="needed"):
        _ = gated.graph
    assert repr(gated(needed=2.0)(sharpness=3.0)) == "gated(needed=2.0, sharpness=3.0)"


def test_widths_are_declared_for_states():
    with pytest.raises(CellError, match="declares the width of 'c', which is not one of its states"):
        cell(widths={"c": 3})(lambda x, h: h)
    for width in (0, -1, "D", 1.5, True):
        with pytest.raises(CellError, match="cannot be"):
            _ = cell(widths={"h": width})(lambda x, h: tanh(h)).graph


def test_a_cell_called_on_tensors_says_what_runs_it():
    @cell
    def plain(x, h):
        return tanh(affine(x, h))

    with pytest.raises(EquationError, match=r"unrolled.Recurrent\(plain, input_size, hidden_size\)"):
        plain(torch.ones(2, 3), torch.ones(2, 3))


def test_initial_values_that_do_not_fit():
    def vector(x, h):
        return weight(init="orthogonal") * h

    def uneven(x, h):
        return h * weight(init=0.5) + bias(init=[0.0, 1.0])

    with pytest.raises(CellError, match="'orthogonal' is for matrices"):
        Recurrent(cell(vector), 2, 3)
    with pytest.raises(CellError, match="3 rows cannot be cut into 2 equal parts"):
        Recurrent(cell(uneven), 2, 3)


NUMBERS = {
    ("uniform", 1.0, 0.0): "takes the lower end first, not (1.0, 0.0)",
    ("normal", -1.0): "takes a standard deviation, not -1.0",
    ("normal", math.nan): "'normal' was given nan: give a finite number",
    ("uniform", -math.inf, 0.0): "'uniform' was given -inf: give a finite number",
    1e300: "'constant' was given 1e+300: give a finite number",
    10**400: "'constant' was given inf: give a finite number",
}


@pytest.mark.parametrize("init", NUMBERS, ids=lambda init: str(init)[:20])
def test_initial_values_that_are_none(init):
    def started(x, h):
        return h * weight(init=init)  # here

    with pytest.raises(EquationError) as refused:
        cell(started).graph
    assert NUMBERS[init] in str(refused.value)
    assert str(refused.value).endswith("h * weight(init=init)  # here")


class _Mute(Exception):
    def __str__(self):
        raise ValueError("no word")


def test_what_a_function_raises_ends_no_program():
    def leaves(x, h):
        raise SystemExit(0)

    def closes(x, h):
        raise GeneratorExit

    def mute(x, h):
        raise _Mute

    for function, told in ((leaves, "SystemExit: 0"), (closes, "GeneratorExit"), (mute, "_Mute")):
        with pytest.raises(EquationError, match=f"cell {function.__name__}: {told}\n"):
            cell(function).graph

    def interrupted(x, h):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cell(interrupted).graph


@pytest.mark.parametrize("eps", [-1.0, math.nan, math.inf, "1", True])
def test_what_no_norm_adds(eps):
    with pytest.raises(EquationError, match="norm was given eps="):
        cell(lambda x, h: norm(h, eps=eps)).graph


@pytest.mark.parametrize("parts", [0, -1, 1001, 10**29, 2.0, True])
def test_how_many_parts(parts):
    with pytest.raises(EquationError, match="give a whole number, from 1 to 1000"):
        cell(lambda x, h: affine(x, h, parts=parts)[0]).graph


def test_options_have_any_name_and_any_value():
    with pytest.raises(CellError, match="cell lstm has no option 'self'"):
        cells.lstm(self=1)
    with pytest.raises(UnrolledError, match="too much"):
        cells.lstm(projection=10**29).graph
    for text in ("lstm(forget_bias={[]:1})", "lstm(bias=None, bias=None)", "lstm(**{})", "lstm(1)"):
        with pytest.raises(CellError, match="does not name a cell"):
            cells.find(text)
    for width in ("0", "0H"):
        with pytest.raises(CellError, match="the state h cannot be"):
            cell(widths={"h": width})(lambda x, h: h).graph
