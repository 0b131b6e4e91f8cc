"""The graph of a cell: what one time step computes, as data. Knows neither how it was written nor how it runs.

A graph is a list of nodes in the order in which they are computed; each node names its operands by their
places in the list. The leaves are

    input       x, the input at this step                 D wide
    state       one of the states as the step begins      as wide as the state declares
    parameter   a learned matrix, vector, gain or bias    its rows wide
    number      a constant                                as wide as what it meets
    noise       random numbers, drawn outside             as wide as it says
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, PlainSerializer, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from unrolled.equations.initial import Initial
from unrolled.equations.operations import (
    COMPARISONS,
    LEAVES,
    OPERATIONS,
    PER_SEQUENCE,
    PER_STEP,
    check_conditions,
    width_of,
)
from unrolled.equations.width import Width
from unrolled.errors import EquationError, GraphError

# In JSON a width is its text: "4H".
Wide = Annotated[
    Width,
    BeforeValidator(lambda width: Width.parse(width) if isinstance(width, str) else width),
    PlainSerializer(str),
]
_KINDS = ("weight", "bias", "gain")  # how a parameter's name begins, so that none takes a module attribute's place
_MOST_NOISE = 2**16  # so many slots have random numbers of their own in each layer
_closed = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_closed)
class Node:
    """One operation of the graph, or one of its leaves."""

    operation: str
    operands: tuple[int, ...] = ()
    width: Wide | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, config=_closed)
class Parameter:
    """A learned array: `rows` by `columns`, or a vector where `columns` is None.

    `initial` holds one initial value for the whole, or one for each of as many equal parts of its rows.
    """

    name: str
    rows: Wide
    columns: Wide | None = None
    initial: tuple[Initial, ...] = ()


@dataclass(frozen=True, config=_closed)
class State:
    """A value carried from step to step: its node as the step begins, and as it ends."""

    name: str
    width: Wide
    before: int
    after: int


@dataclass(frozen=True, config=_closed)
class Graph:
    """One time step of a cell.

    `names` are the cell's own names: `c` is the last value bound to `c`, `i@1` the first one bound to `i`,
    and `c@0` the state `c` as the step begins. `output` is the node that the layer gives out at each step.
    """

    version: Literal[1]
    cell: str
    nodes: tuple[Node, ...]
    parameters: tuple[Parameter, ...]
    input: int
    states: tuple[State, ...]
    output: int
    names: Mapping[str, int]

    @property
    def output_width(self) -> Width:
        """How wide the output is."""
        width = self.nodes[self.output].width
        assert width is not None, "check() and the tracer refuse an output without a width"
        return width

    @property
    def output_state(self) -> str | None:
        """The name of the state that is the output; None: the output is no state."""
        return next((one.name for one in self.states if one.after == self.output), None)

    @property
    def noise(self) -> tuple[Node, ...]:
        """The noise leaves, in the order of their slots: each is `mean / probability` with that probability, else 0."""
        leaves = [node for node in self.nodes if node.operation == "noise"]
        return tuple(sorted(leaves, key=lambda node: node.attributes["slot"]))

    def to_json(self) -> str:
        """The graph as JSON text, which `from_json` reads back equal."""
        return _adapter().dump_json(self, indent=1, exclude_none=True).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Graph:
        """The graph that `to_json` wrote, checked node by node. No code is executed.

        Raises:
            GraphError: not JSON, not a graph of this version, or one that contradicts itself.
        """
        try:
            graph = _adapter().validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise GraphError(f"this is not the graph of a cell: {place or 'the text'}: {first['msg']}") from error
        check(graph)
        return graph


@cache
def _adapter() -> TypeAdapter[Graph]:
    return TypeAdapter(Graph)


def check(graph: Graph) -> None:
    """Check that every node computes from earlier ones, and that all widths, leaves and names fit.

    Raises:
        GraphError: it does not hold together; says where.
    """
    for place, node in enumerate(graph.nodes):
        _check_attributes(place, node)
        if node.operation == "parameter":
            _check_slot(graph, place, node)
        elif node.operation not in LEAVES:
            _check_operation(graph, place, node)
    _check_leaves(graph)
    _check_noise(graph)
    _check_states(graph)
    _check_result(graph, "the output", graph.output)
    for place in graph.names.values():
        _at(graph, place)
    for parameter in graph.parameters:
        _check_parameter(parameter)
    _check_names("parameter", [parameter.name for parameter in graph.parameters])
    _check_names("state", [state.name for state in graph.states])


def _check_operation(graph: Graph, place: int, node: Node) -> None:
    if not all(0 <= operand < place for operand in node.operands):
        raise GraphError(f"node {place} ({node.operation}) computes from nodes {node.operands}, not all before it")
    operands = [graph.nodes[operand] for operand in node.operands]
    try:
        check_conditions(node.operation, [operand.operation for operand in operands])
        width = width_of(node.operation, [operand.width for operand in operands], node.attributes)
    except EquationError as error:
        raise GraphError(f"node {place}: {error}") from error
    if width != node.width:
        raise GraphError(f"node {place} ({node.operation}) is said to be {node.width} wide, and is {width}")
    for position, operand in enumerate(operands):
        wanted = node.attributes["columns"] if node.operation == "linear" and position == 1 else None
        if (columns := _columns(graph, operand)) != wanted:
            raise GraphError(f"node {place} ({node.operation}): operand {position} has {columns} columns, not {wanted}")


def _columns(graph: Graph, node: Node) -> str | None:
    """How many columns a node's parameter has, if it is a matrix."""
    columns = graph.parameters[node.attributes["slot"]].columns if node.operation == "parameter" else None
    return None if columns is None else str(columns)


def _check_leaves(graph: Graph) -> None:
    """The input and the states are exactly the leaves that say so."""
    leaves = [(place, node) for place, node in enumerate(graph.nodes) if node.operation in ("input", "state")]
    got = {(place, node.operation, node.attributes.get("name"), str(node.width)) for place, node in leaves}
    wanted = {(state.before, "state", state.name, str(state.width)) for state in graph.states}
    if got != wanted | {(graph.input, "input", None, "D")}:
        raise GraphError("the input and the states are not those that the nodes hold")


def _check_noise(graph: Graph) -> None:
    """Each leaf has a slot of its own, a width, and numbers that say a distribution."""
    if [node.attributes["slot"] for node in graph.noise] != list(range(len(graph.noise))):
        raise GraphError("the slots of its noise are not 0, 1 ... each once")
    if len(graph.noise) > _MOST_NOISE:
        raise GraphError(f"it has {len(graph.noise)} noise leaves: at most {_MOST_NOISE:,}")
    for node in graph.noise:
        probability, mean, per = (node.attributes[name] for name in ("probability", "mean", "per"))
        is_known = per in (PER_STEP, PER_SEQUENCE)
        if not node.width or not is_known or not 0 < probability <= 1 or not math.isfinite(mean):
            raise GraphError(f"noise {node.width or 1} wide, {dict(node.attributes)}, cannot be drawn")


def _check_states(graph: Graph) -> None:
    if not graph.states:
        raise GraphError("the graph has no state")
    for state in graph.states:
        _check_result(graph, f"state {state.name!r}", state.after)
        if graph.nodes[state.after].width != state.width:
            raise GraphError(f"state {state.name!r} is {state.width} wide, its node {state.after} is not")


def _check_result(graph: Graph, what: str, place: int) -> None:
    """What a step hands out is a number with a width, and not a matrix."""
    node = _at(graph, place)
    if not node.width or node.operation in COMPARISONS or _columns(graph, node) is not None:
        raise GraphError(f"{what} is node {place}, which is no value with a width")


def _check_attributes(place: int, node: Node) -> None:
    if node.operation in LEAVES:
        wanted = LEAVES[node.operation]
    elif node.operation in OPERATIONS:
        wanted = OPERATIONS[node.operation].attributes
    else:
        raise GraphError(f"node {place}: there is no operation {node.operation!r}")
    got = {name: type(value) for name, value in node.attributes.items()}
    if got != dict(wanted):
        raise GraphError(f"node {place} ({node.operation}) has attributes {dict(node.attributes)}")


def _check_slot(graph: Graph, place: int, node: Node) -> None:
    slot = node.attributes["slot"]
    if not 0 <= slot < len(graph.parameters) or graph.parameters[slot].rows != node.width:
        raise GraphError(f"node {place} asks for parameter {slot}, which does not fit")


def _check_parameter(parameter: Parameter) -> None:
    if parameter.name.partition("_")[0] not in _KINDS:
        raise GraphError(
            f"{parameter.name!r} cannot be the name of a parameter: it is {' or '.join(_KINDS)}, or one_more"
        )
    if not parameter.initial:
        raise GraphError(f"the parameter {parameter.name} has no initial value")


def _check_names(kind: str, names: list[str]) -> None:
    for name in names:
        if not name.isidentifier() or names.count(name) > 1:
            raise GraphError(f"{name!r} cannot be the name of a {kind}: it is no name, or there are two of it")


def _at(graph: Graph, place: int) -> Node:
    if not 0 <= place < len(graph.nodes):
        raise GraphError(f"there is no node {place}")
    return graph.nodes[place]
