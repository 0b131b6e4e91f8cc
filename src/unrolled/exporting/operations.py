"""What each operation of the language is in ONNX. One table; knows no graphs, and no sizes but resolved ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unrolled.equations.width import Width
from unrolled.exporting.sheet import Sheet

# Operators of the same meaning.
OPERATORS: Mapping[str, str] = {
    "negative": "Neg",
    "absolute": "Abs",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "sin": "Sin",
    "cos": "Cos",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "softplus": "Softplus",
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "power": "Pow",
    "maximum": "Max",
    "minimum": "Min",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "where": "Where",
}


def write_operation(
    sheet: Sheet,
    operation: str,
    operands: Sequence[str],
    attributes: Mapping[str, Any],
    resolve: Callable[[Width], int],
    name: str,
) -> str:
    """The name of an operation's result. A matrix stands columns by rows: it is multiplied from the left."""
    if operation in OPERATORS:
        return sheet.call(OPERATORS[operation], *operands, name=name)
    if operation == "linear":
        return product(sheet, *operands, name=name)
    if operation == "norm":
        return _norm(sheet, *operands, eps=attributes["eps"], name=name)
    if operation == "part":
        start, width = (resolve(Width.parse(attributes[key])) for key in ("start", "width"))
        return part(sheet, operands[0], start, start + width, name)
    assert operation == "concat", f"{operation} stands in no graph"
    return sheet.call("Concat", *operands, name=name, axis=-1)


def product(sheet: Sheet, value: str, matrix: str, bias: str = "", *, name: str = "") -> str:
    """The value `[..., columns]` times the matrix `[columns, rows]`, and a bias."""
    if not bias:
        return sheet.call("MatMul", value, matrix, name=name)
    return sheet.call("Add", sheet.call("MatMul", value, matrix), bias, name=name)


def part(sheet: Sheet, value: str, start: int, end: int, name: str = "part") -> str:
    """The units from `start` to before `end`."""
    return sheet.call("Slice", value, sheet.whole(start), sheet.whole(end), sheet.whole(-1), name=name)


def repeated(sheet: Sheet, value: str, width: int, like: str, name: str = "repeated") -> str:
    """A value without rows `[width]`, for every row of another one `[..., any]`: `[..., width]`."""
    rows = sheet.call("Shape", like, end=-1)
    return sheet.call("Expand", value, sheet.call("Concat", rows, sheet.whole(width), axis=0), name=name)


def _norm(sheet: Sheet, value: str, gain: str, bias: str, *, eps: float, name: str) -> str:
    """Less its mean, over its deviation, times the gain, and the bias.

    (`LayerNormalization` of onnxruntime subtracts squares, which leaves no digit where the mean is large.)
    """
    centred = sheet.call("Sub", value, _mean(sheet, value))
    variance = _mean(sheet, sheet.call("Mul", centred, centred))
    deviation = sheet.call("Sqrt", sheet.call("Add", variance, sheet.number(eps)))
    return sheet.call("Add", sheet.call("Mul", sheet.call("Div", centred, deviation), gain), bias, name=name)


def _mean(sheet: Sheet, value: str) -> str:
    return sheet.call("ReduceMean", value, axes=[-1], keepdims=1)
