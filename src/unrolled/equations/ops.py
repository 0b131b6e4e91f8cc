"""The words of the equation language: what a cell's function may say besides + - * / ** and comparisons.

Widths (`to=`, the parts of `split`, the width of `bias` and `weight`) are counted in hidden sizes: `to=4` is
4H wide. `units(20)` is 20 wide whatever the hidden size, and a value stands for its own width: `to=h`.
Knows no values: the scope answers, with symbols while a cell is traced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from unrolled.equations.initial import DEFAULT, ZERO, Initial, Spoken, initials
from unrolled.equations.operations import PER_SEQUENCE, PER_STEP
from unrolled.equations.scope import Scope, Wanted, current
from unrolled.equations.symbol import Symbol
from unrolled.equations.width import Width
from unrolled.errors import CellError, EquationError, did_you_mean

__all__ = [
    "absolute", "affine", "bias", "concat", "cos", "dropout", "elementwise", "exp", "linear", "log", "maximum",
    "minimum", "norm", "relu", "sigmoid", "sin", "softplus", "split", "sqrt", "tanh", "units", "weight", "where",
    "zoneout",
]  # fmt: skip

Value = Symbol | float
Wide = int | Width | Symbol


def affine(
    *operands: Symbol,
    to: Wide = 1,
    parts: int = 1,
    bias: str | None = "each",
    init: Spoken | list[Spoken] = None,
    bias_init: Spoken | list[Spoken] = None,
    name: str | None = None,
) -> Any:
    """W1 a + b1 + W2 b + b2 + ...: one matrix for each operand, and a bias.

    Args:
        operands: the values to multiply.
        to: the width of each part of the result.
        parts: how many values to give: one, or a tuple of as many, cut from one product in this order.
        bias: `"each"` operand its own (as torch.nn has it), `"shared"` one for all, or None.
        init: the initial value of the matrices, or a list with one for each part.
        bias_init: the initial value of the *sum* of the biases, or a list with one for each part. Where it is
            given, the first bias starts there and the others at zero.
        name: a name for the parameters, instead of that of the first named value they feed.
    """
    scope = current("affine")
    if not operands:
        raise EquationError("affine needs at least one value to multiply: affine(x, h)")
    if bias not in ("each", "shared", None):
        raise EquationError(f"bias={bias!r}: affine has bias='each', 'shared' or None")
    _check_parts(parts)
    rows = _width(scope, to) * parts
    sole = len(operands) == 1
    first_bias = initials(bias_init, parts)
    total: Any = None
    for place, operand in enumerate(operands):
        columns = _columns(scope, "affine", operand)
        own = partial(Wanted, operand=None if sole else operand, place=place, name=name)
        arrays = [scope.parameter(own("weight", rows, columns, initials(init, parts)))]
        if bias == "each":
            start = first_bias if place == 0 else _other_bias(first_bias)
            arrays.append(scope.parameter(own("bias", rows, None, start)))
        elif bias == "shared" and place == 0:
            arrays.append(scope.parameter(Wanted("bias", rows, None, first_bias, name=name)))
        product = scope.apply("linear", operand, *arrays, columns=str(columns))
        total = product if total is None else scope.apply("add", total, product)
    return total if parts == 1 else split(total, parts)


def linear(value: Symbol, *, to: Wide = 1, init: Spoken = None, name: str | None = None) -> Symbol:
    """W a: one matrix and no bias; the result is `to` wide."""
    scope = current("linear")
    columns = _columns(scope, "linear", value)
    matrix = scope.parameter(Wanted("weight", _width(scope, to), columns, initials(init, 1), name=name))
    return scope.apply("linear", value, matrix, columns=str(columns))


def weight(width: Wide = 1, *, init: Spoken = None, name: str | None = None) -> Symbol:
    """A learned vector, `width` wide: peepholes, the diagonal of an IndRNN."""
    scope = current("weight")
    return scope.parameter(Wanted("weight", _width(scope, width), None, initials(init, 1), name=name))


def bias(width: Wide = 1, *, init: Spoken | list[Spoken] = None, name: str | None = None) -> Symbol:
    """A learned vector to add, `width` wide. A list for `init` has one initial value for each equal part."""
    scope = current("bias")
    parts = len(init) if isinstance(init, list) else 1
    return scope.parameter(Wanted("bias", _width(scope, width), None, initials(init, parts), name=name))


def norm(value: Symbol, *, eps: float = 1e-5, init: Spoken = 1.0, name: str | None = None) -> Symbol:
    """Layer normalisation over the units of a value, with a learned gain and bias (Ba et al. 2016).

    `init` is the gain's initial value; the bias starts at zero.
    """
    scope = current("norm")
    if type(eps) not in (int, float) or not 0 <= eps < 1e37:
        raise EquationError(f"norm was given eps={eps!r}: give a finite number, 0 or more")
    width = _columns(scope, "norm", value)
    gain = scope.parameter(Wanted("gain", width, None, initials(init, 1), name=name))
    shift = scope.parameter(Wanted("bias", width, None, (ZERO,), name=name))
    return scope.apply("norm", value, gain, shift, eps=float(eps))


def split(value: Symbol, parts: int | Sequence[Wide]) -> tuple[Symbol, ...]:
    """Cut a value into `parts` equal ones, or into parts of the widths given."""
    scope = current("split")
    whole = _columns(scope, "split", value)
    if isinstance(parts, int):
        _check_parts(parts)
        part = whole.divided(parts)
        if part is None:
            raise EquationError(f"a value {whole} wide cannot be split into {parts} equal parts")
        widths = [part] * parts
    else:
        widths = [_width(scope, one) for one in parts]
        if sum(widths, Width()) != whole:
            raise EquationError(f"parts {' + '.join(map(str, widths))} wide do not make up a value {whole} wide")
    pieces, start = [], Width()
    for width in widths:
        pieces.append(scope.apply("part", value, start=str(start), width=str(width)))
        start = start + width
    return tuple(pieces)


def concat(*values: Symbol) -> Symbol:
    """Values concatenated into one."""
    return current("concat").apply("concat", *values)


def where(condition: Symbol, a: Value, b: Value) -> Symbol:
    """`a` where a comparison holds, else `b`: `where(x > 0, x, 0.1 * x)`."""
    return current("where").apply("where", condition, a, b)


def maximum(a: Value, b: Value) -> Symbol:
    """The greater of two values, unit by unit."""
    return current("maximum").apply("maximum", a, b)


def minimum(a: Value, b: Value) -> Symbol:
    """The smaller of two values, unit by unit."""
    return current("minimum").apply("minimum", a, b)


def dropout(value: Symbol, rate: float, *, per: str = PER_STEP) -> Symbol:
    """In training each unit is zero with probability `rate`, else divided by 1 - rate; in evaluation the value itself.

    `per="step"` draws anew at every step (Srivastava et al. 2014), `per="sequence"` once for all steps: variational
    dropout, made for what a matrix multiplies (Gal & Ghahramani 2016).
    """
    scope = current("dropout")
    width = _columns(scope, "dropout", value)
    _check_noise("dropout", rate, per)
    return scope.apply("multiply", value, scope.noise(width, 1.0 - rate, 1.0, per)) if rate else value


def zoneout(new: Symbol, old: Symbol, rate: float, *, per: str = PER_STEP) -> Symbol:
    """In training each unit stays `old` with probability `rate` (Krueger et al. 2017); in evaluation their mean.

    The mean is `rate * old + (1 - rate) * new`. `per` is that of `dropout`.
    """
    scope = current("zoneout")
    width = _columns(scope, "zoneout", new)
    _columns(scope, "zoneout", old)
    _check_noise("zoneout", rate, per)
    if not rate:
        return new
    stays = scope.noise(width, float(rate), float(rate), per)
    changes = scope.apply("subtract", 1.0, stays)
    return scope.apply("add", scope.apply("multiply", stays, old), scope.apply("multiply", changes, new))


def _check_noise(word: str, rate: Any, per: Any) -> None:
    if type(rate) not in (int, float) or not 0 <= rate < 1:
        raise EquationError(f"{word} was given the rate {rate!r}: give a probability, at least 0 and below 1")
    if per not in (PER_STEP, PER_SEQUENCE):
        raise EquationError(f"{word} was given per={per!r}: noise is drawn per='step' or per='sequence'")


def _unary(name: str, meaning: str) -> Callable[[Value], Symbol]:
    def word(value: Value) -> Symbol:
        return current(name).apply(name, value)

    word.__name__ = word.__qualname__ = name
    word.__doc__ = meaning
    return word


sigmoid = _unary("sigmoid", "1 / (1 + exp(-a)), unit by unit.")
tanh = _unary("tanh", "The hyperbolic tangent, unit by unit.")
relu = _unary("relu", "max(a, 0), unit by unit.")
exp = _unary("exp", "e to the power of a, unit by unit.")
log = _unary("log", "The natural logarithm, unit by unit.")
sqrt = _unary("sqrt", "The square root, unit by unit.")
softplus = _unary("softplus", "log(1 + exp(a)), unit by unit.")
absolute = _unary("absolute", "|a|, unit by unit; abs(a) says the same.")
sin = _unary("sin", "The sine, unit by unit.")
cos = _unary("cos", "The cosine, unit by unit.")

_ACTIVATIONS: dict[str, Callable[[Value], Symbol]] = {
    "tanh": tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "identity": lambda value: value,  # type: ignore[dict-item, return-value]
}


def elementwise(name: str) -> Callable[[Value], Symbol]:
    """The activation of that name, for an option of a cell: `elementwise("relu")(a)`.

    Raises:
        CellError: no activation has that name.
    """
    if name not in _ACTIVATIONS:
        raise CellError(f"no activation is called {name!r}: there are {', '.join(_ACTIVATIONS)}."
                        + did_you_mean(str(name), _ACTIVATIONS))  # fmt: skip
    return _ACTIVATIONS[name]


def units(count: int) -> Width:
    """A width of so many units, whatever the hidden size."""
    if type(count) is not int or count < 1:
        raise CellError(f"a width is a whole number of units, 1 or more, not {count!r}")
    return Width(units=count)


def _width(scope: Scope, wide: Any) -> Width:
    if isinstance(wide, Width):
        return wide
    if type(wide) is int and wide >= 1:
        return scope.hidden * wide
    width = None if isinstance(wide, int | float | str) or wide is None else scope.width(wide)
    if width is None:
        raise EquationError(
            f"{wide!r} is not a width: give a whole number of hidden sizes, units(n), or a value for its own width"
        )
    return width


def _columns(scope: Scope, word: str, value: Any) -> Width:
    width = scope.width(value)
    if width is None:
        raise EquationError(f"{word} was given the number {value!r}: it needs a value of the cell")
    return width


_MOST_PARTS = 1000


def _check_parts(parts: Any) -> None:
    if type(parts) is not int or not 1 <= parts <= _MOST_PARTS:
        raise EquationError(f"parts={parts!r}: give a whole number, from 1 to {_MOST_PARTS}")


def _other_bias(first: tuple[Initial, ...]) -> tuple[Initial, ...]:
    return tuple(DEFAULT if one == DEFAULT else ZERO for one in first)
