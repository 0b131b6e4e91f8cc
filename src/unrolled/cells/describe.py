"""What there is to say of a cell: its equation, parameters, named values and schedule. Prints nothing."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from unrolled.equations import Cell, Graph, Node, products
from unrolled.equations.operations import PER_STEP


@dataclass(frozen=True)
class Description:
    """A cell in words. Shapes are texts: H is the hidden size, D the input size."""

    cell: str
    equation: str
    states: dict[str, str]
    options: dict[str, object]
    parameters: dict[str, str]
    values: dict[str, str]
    products: dict[str, str]
    noise: dict[str, str]


def describe(cell: Cell) -> Description:
    """Describe a cell.

    `values` are the named values of a step, with their widths; `products` says of every matrix product, by the
    name of its matrix, whether it can be done before the loop over time, only during, or after it. `noise` is what is
    drawn in training, by number. The options end with those that every cell has.

    Raises:
        EquationError: the cell's function is not an equation.
    """
    graph = cell.graph
    return Description(
        cell=repr(cell),
        equation=_source(cell),
        states={state.name: str(state.width) for state in graph.states},
        options={**cell.defaults, **dict.fromkeys(cell.noise_options), **cell.options},
        parameters={parameter.name: shape_of(parameter.rows, parameter.columns) for parameter in graph.parameters},
        values=_values(graph),
        products=dict(products(graph)),
        noise=_noise(graph),
    )


def shape_of(rows: object, columns: object | None) -> str:
    """`(4H, D)`, or `(H)` for a vector."""
    return f"({rows})" if columns is None else f"({rows}, {columns})"


def _values(graph: Graph) -> dict[str, str]:
    return {name: str(graph.nodes[place].width or 1) for name, place in graph.names.items()}


def _noise(graph: Graph) -> dict[str, str]:
    return {str(one.attributes["slot"]): _drawn(one) for one in graph.noise}


def _drawn(one: Node) -> str:
    probability, mean, per = (one.attributes[name] for name in ("probability", "mean", "per"))
    when = "at every step" if per == PER_STEP else "once a sequence"
    return f"{mean / probability:.6g} with probability {probability:.6g}, else 0; {one.width} wide, drawn {when}"


def _source(cell: Cell) -> str:
    """The function's text, where Python can find it."""
    try:
        return inspect.cleandoc("\n" + inspect.getsource(inspect.unwrap(cell.function))).rstrip()
    except (OSError, TypeError):
        return ""
