"""What each operation of a graph computes, in torch. One table, for the reference and for the direct oracle.

Knows no graphs. Widths arrive resolved to numbers of units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.equations.width import Width

Function = Callable[..., Tensor]


def _concat(*values: Tensor) -> Tensor:
    """Values concatenated into one; a parameter, which has no rows, is repeated for every row."""
    rows = torch.broadcast_shapes(*(value.shape[:-1] for value in values))  # type: ignore[no-untyped-call]
    return torch.cat([value.expand(*rows, -1) for value in values], dim=-1)


def _softplus(value: Tensor) -> Tensor:
    """log(1 + exp(a)) to the last digit (torch's own replaces it by a above 20)."""
    return torch.logaddexp(value, torch.zeros((), dtype=value.dtype, device=value.device))


_TABLE: dict[str, Function] = {
    "negative": torch.neg,
    "absolute": torch.abs,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softplus": _softplus,
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "power": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "where": torch.where,
    "linear": F.linear,
    "concat": _concat,
}


def function_of(operation: str, attributes: Mapping[str, Any], resolve: Callable[[Width], int]) -> Function:
    """The torch function of an operation with its attributes; `resolve` turns a width into a number of units."""
    if operation == "part":
        start, width = (resolve(Width.parse(attributes[key])) for key in ("start", "width"))
        return lambda value: value.narrow(-1, start, width)
    if operation == "norm":
        eps = attributes["eps"]
        return lambda value, gain, bias: F.layer_norm(value, gain.shape, gain, bias, eps)
    return _TABLE[operation]
