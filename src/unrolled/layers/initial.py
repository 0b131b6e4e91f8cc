"""Drawing the initial values of a cell's parameters. Knows the distributions that `equations.initial` names."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unrolled.equations import Initial, Parameter
from unrolled.errors import CellError

UNSTATED = (Initial(), Initial("constant", (0.0,)))  # torch.nn's own, and zero: what a cell gets without asking


@torch.no_grad()
def fill(tensor: Tensor, parameter: Parameter, hidden_size: int, *, only_stated: bool = False) -> None:
    """Fill a parameter with its initial value, part by part, from torch's default generator.

    `only_stated`: only the parts for which the cell states one that is neither torch.nn's default nor zero.

    Raises:
        CellError: its rows cannot be cut into as many parts as it has initial values.
    """
    parts = len(parameter.initial)
    if len(tensor) % parts:
        raise CellError(f"parameter {parameter.name}: {len(tensor)} rows cannot be cut into {parts} equal parts")
    for piece, initial in zip(tensor.chunk(parts), parameter.initial, strict=True):
        if initial.name == "constant" and not only_stated:
            _fill(piece, Initial(), hidden_size)  # drawn all the same, so that what is stated changes no other draw
        if not (only_stated and initial in UNSTATED):
            _fill(piece, initial, hidden_size)


def _fill(piece: Tensor, initial: Initial, hidden_size: int) -> None:
    match initial.name, initial.numbers:
        case "default", _:
            bound = 1 / math.sqrt(hidden_size)
            piece.uniform_(-bound, bound)
        case "constant", (value,):
            piece.fill_(value)
        case "uniform", (low, high):
            piece.uniform_(low, high)
        case "normal", (deviation,):
            piece.normal_(std=deviation)
        case "orthogonal", numbers:
            torch.nn.init.orthogonal_(_matrix(piece, initial), gain=numbers[0] if numbers else 1.0)
        case "ring", (low, high):  # (Orvieto et al. 2023, lemma 3.2)
            piece.uniform_(low**2, high**2).log_().mul_(-0.5).log_()
        case "log_uniform", (high,):
            piece.uniform_(0, high).clamp_(min=1e-4 * high).log_()
        case "softplus_decay", (low, high, factor):
            piece.uniform_(low, high).log_().div_(-factor).expm1_().log_()
        case "identity", numbers:
            torch.nn.init.eye_(_matrix(piece, initial)).mul_(numbers[0] if numbers else 1.0)


def _matrix(piece: Tensor, initial: Initial) -> Tensor:
    if piece.dim() != 2:
        raise CellError(f"the initial value {initial.name!r} is for matrices; this parameter is a vector")
    return piece
