"""The operators RNN, LSTM and GRU of ONNX, where a cell computes just what they do. What a cell is called says nothing.

A cell is held against the graphs of our own `rnn`, `lstm`, `gru` and `gru_v3`, whose gates stand in a known order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled import cells
from unrolled.equations import Cell, Graph, Width
from unrolled.equations.width import D
from unrolled.exporting.equation import Equation
from unrolled.exporting.form import Form, Rows, same
from unrolled.exporting.lengths import Lengths
from unrolled.exporting.loop import States
from unrolled.exporting.sheet import Sheet

_MOST = 100  # nodes: ours have half as many
_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu"}


class _Kind(NamedTuple):
    """An operator, and our cell that computes the same. `order`: ONNX's gates, by their places among the cell's."""

    operator: str
    cell: Cell
    order: tuple[int, ...]
    activations: tuple[str, ...]  # "": the cell's option
    attributes: Mapping[str, int] = {}


_KINDS = (
    _Kind("RNN", cells.rnn, (0,), ("",)),
    _Kind("LSTM", cells.lstm, (0, 2, 1, 3), ("Sigmoid", "", "")),  # i o f c of ours, i f o g
    _Kind("GRU", cells.gru, (1, 0, 2), ("Sigmoid", ""), {"linear_before_reset": 1}),  # z r h of r z n
    _Kind("GRU", cells.gru_v3, (1, 0, 2), ("Sigmoid", ""), {"linear_before_reset": 0}),
)


@dataclass(frozen=True)
class _Known:
    """A cell of ours with options, as a pattern: the rows of each gate, for the input and for the state."""

    kind: _Kind
    activations: tuple[str, ...]
    form: Form
    weights: tuple[Sequence[Rows], Sequence[Rows]]
    biases: tuple[Sequence[Rows], Sequence[Rows]]


@dataclass(frozen=True)
class Native:
    """An operator of ONNX with the cell's parameters, in ONNX's order.

    Shapes: weights `[1, G H, D]`, recurrent `[1, G H, H]`, biases `[1, 2 G H]`.
    """

    operator: str
    attributes: Mapping[str, Any]
    weights: Tensor
    recurrent: Tensor
    biases: Tensor


def native_of(equation: Equation) -> Native | None:
    """The operator that computes what the cell does; None: there is none."""
    if len(equation.graph.nodes) > _MOST:
        return None
    form = Form(equation.graph)
    for known in _patterns():
        rows = same(known.form, form)
        if rows is not None:
            return _packed(known, rows, equation)
    return None


def write_native(
    sheet: Sheet, native: Native, equation: Equation, x: str, lengths: Lengths, *, reverse: bool
) -> tuple[str, States]:
    """All steps of x `[T, B, D]`, as `loop` has them."""
    names = [one.name for one in equation.graph.states]
    arrays = {"weights": native.weights, "recurrent": native.recurrent, "biases": native.biases}
    constants = [sheet.constant(array, f"{equation.name}{name}") for name, array in arrays.items()]
    output, *final = sheet.calls_for(
        native.operator,
        x,
        *constants,
        lengths.short,
        names=(f"{equation.name}output", *(f"{equation.name}{name}" for name in names)),
        hidden_size=native.recurrent.shape[-1],
        direction="reverse" if reverse else "forward",
        **native.attributes,
    )
    direction = {place: sheet.whole(place) for place in (0, 1)}
    # (RNN of onnxruntime 1.19 leaves the state of a row without a step as it lay in memory)
    states = [
        sheet.call("Where", lengths.begun, sheet.call("Squeeze", one, direction[0]), sheet.number(0.0)) for one in final
    ]
    return sheet.call("Squeeze", output, direction[1]), dict(zip(names, states, strict=True))


@cache
def _patterns() -> tuple[_Known, ...]:
    """Our cells with those options that ONNX has, too."""
    return tuple(
        _known(kind, kind.cell(bias=bias, activation=activation), operator)
        for kind in _KINDS
        for bias in ("each", "shared", None)
        for activation, operator in _ACTIVATIONS.items()
        if not (kind.cell is cells.gru and bias == "shared")  # there is none
    )


def _known(kind: _Kind, cell: Cell, activation: str) -> _Known:
    graph = cell.graph
    weights, biases = _gates(graph)
    return _Known(kind, tuple(one or activation for one in kind.activations), Form(graph), weights, biases)


Gates = tuple[list[Rows], list[Rows]]


def _gates(graph: Graph) -> tuple[Gates, Gates]:
    """The rows of each gate in the matrices of the input and of the state, and those of their biases."""
    weights: Gates = ([], [])
    biases: Gates = ([], [])
    which = 0
    for slot, parameter in enumerate(graph.parameters):
        if parameter.columns is not None:
            which = 0 if parameter.columns == D else 1
        gates = [Rows(slot, Width(hidden=gate), Width(hidden=1)) for gate in range(parameter.rows.hidden)]
        (biases if parameter.columns is None else weights)[which].extend(gates)
    return weights, biases


def _packed(known: _Known, rows: Mapping[Rows, Rows], equation: Equation) -> Native:
    def array(gates: Sequence[Rows]) -> Tensor:
        return torch.cat([_piece(equation, rows[gates[place]]) for place in known.kind.order])

    weights, recurrent = map(array, known.weights)
    biases = [array(gates) if gates else weights.new_zeros(len(weights)) for gates in known.biases]
    attributes = {"activations": list(known.activations), **known.kind.attributes}
    return Native(known.kind.operator, attributes, weights[None], recurrent[None], torch.cat(biases)[None])


def _piece(equation: Equation, rows: Rows) -> Tensor:
    start, width = equation.resolve(rows.start), equation.resolve(rows.width)
    return equation.parameters[rows.slot].narrow(0, start, width)
