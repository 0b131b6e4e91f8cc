"""Tracing: a cell's function, called once on symbols, becomes a graph. Knows Python functions, runs no numbers."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from types import CodeType, FrameType, TracebackType
from typing import Any

from unrolled.equations.graph import Graph, State
from unrolled.equations.names import Bindings, frame_of, permuted
from unrolled.equations.operations import COMPARISONS
from unrolled.equations.parameters import Request, named_parameters
from unrolled.equations.scope import Wanted, answering
from unrolled.equations.symbol import Symbol
from unrolled.equations.width import D, Width
from unrolled.equations.writer import Writer, in_words
from unrolled.errors import AttributeEquationError, EquationError, UnrolledError, described


def trace(cell: str, function: Callable[..., Any], code: CodeType, inputs: str, states: Mapping[str, Width]) -> Graph:
    """Call a cell's function on symbols and keep what it computed.

    Args:
        cell: how the cell is written, for messages.
        function: takes the input and the states, in the order of `states`.
        code: the code object whose locals give the names.
        inputs: the name of the first argument.
        states: the name and width of every state.

    Raises:
        EquationError: the function says what the language cannot; the message names the line.
    """
    tracer = _Tracer(code)
    arguments = {inputs: tracer.leaf("input", D)}
    arguments |= {name: tracer.leaf("state", width, name=name) for name, width in states.items()}
    tracer.bindings = Bindings(arguments, code)
    with answering(tracer):
        try:
            answer = function(*arguments.values())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also SystemExit: a cell's function ends no program
            raise _located(cell, error) from (None if isinstance(error, EquationError) else error)
    if tracer.frame is not None:
        tracer.bindings.close(tracer.frame.f_locals)
        tracer.frame = None  # else its callers, and the tensors at their hands, would live until the next collection
    try:
        output, after = _returned(answer, states, tracer)
    except EquationError as error:
        line = f"{code.co_filename}:{code.co_firstlineno}"
        raise EquationError(f"cell {cell}: {error}\n  {line}, in {code.co_name}") from None
    names = tracer.bindings.resolve(dict(zip(states, after, strict=True)))
    graph = Graph(
        version=1,
        cell=cell,
        nodes=tuple(tracer.nodes),
        parameters=named_parameters(tracer.requests, tracer.nodes, names),
        input=arguments[inputs].node,
        states=tuple(
            State(name, width, arguments[name].node, node)
            for (name, width), node in zip(states.items(), after, strict=True)
        ),
        output=output,
        names=names,
    )
    assert Graph.from_json(graph.to_json()) == graph, "a graph that is saved must be the one that is read"
    return graph


class _Tracer(Writer):
    """Answers each operation with a new symbol, keeps its node, and looks what the function's variables hold."""

    def __init__(self, code: CodeType) -> None:
        super().__init__()
        self.code = code
        self.requests: list[Request] = []
        self.frame: FrameType | None = None
        self.bindings = Bindings({}, code)

    def apply(self, operation: str, *operands: Any, **attributes: Any) -> Symbol:
        """The symbol of an operation's result."""
        self._look()
        return super().apply(operation, *operands, **attributes)

    def parameter(self, wanted: Wanted) -> Symbol:
        """The symbol of a new parameter; its name is found when all is known."""
        self._look()
        if wanted.name is not None and not str(wanted.name).isidentifier():
            raise EquationError(f"{wanted.name!r} cannot be the name of a parameter: use letters, digits and _")
        label = None
        if wanted.operand is not None:
            operand = self.symbol(wanted.kind, wanted.operand)
            label = self.bindings.name_of(operand.node) or str(wanted.place)
        symbol = self.leaf("parameter", wanted.rows, slot=len(self.requests))
        self.requests.append(Request(wanted, symbol.node, label))
        return symbol

    def _look(self) -> None:
        self.frame = self.frame or frame_of(self.code)
        if self.frame is not None:
            self.bindings.observe(self.frame.f_locals)


def _returned(answer: Any, states: Mapping[str, Width], tracer: _Tracer) -> tuple[int, list[int]]:
    """The output's node and the states' nodes, from what the function returned.

    As many values as states: the first state is the output. One more: the first value is the output.
    """
    values = list(answer) if isinstance(answer, tuple | list) else [answer]
    wanted = ", ".join(states)
    for value in values:
        if not isinstance(value, Symbol):
            raise EquationError(f"it returned {in_words(value)}; wanted: return {wanted}")
        if value.owner is not tracer:
            raise EquationError("it returned a value of another cell, kept from an earlier call")
        if tracer.nodes[value.node].operation in COMPARISONS:
            raise EquationError("it returned a comparison: it has no number. Use where(condition, 1.0, 0.0)")
    if len(values) not in (len(states), len(states) + 1):
        raise EquationError(
            f"it returned {len(values)} value{'s' * (len(values) != 1)} for {len(states)} state"
            f"{'s' * (len(states) != 1)} ({wanted}): return the new states in this order, or an output before them"
        )
    after = values[-len(states) :]
    for (name, width), value in zip(states.items(), after, strict=True):
        if value.width != width:
            raise EquationError(f"the new {name} is {value.width or 1} wide, the state {name} is {width} wide")
    nodes = {name: value.node for name, value in zip(states, after, strict=True)}
    crossed = permuted(nodes, tracer.bindings)
    if crossed:
        raise EquationError(
            f"it returned the states {' and '.join(crossed)} in each other's places; wanted: return {wanted}"
        )
    if values[0].width is None:
        raise EquationError("its output is a plain number: it has no width")
    return values[0].node, [value.node for value in after]


def _located(cell: str, error: BaseException) -> EquationError:
    """The same error with the cell and the line of the user's code that caused it."""
    frame = _user_frame(error.__traceback__, first=isinstance(error, RecursionError))
    told = str(error) if isinstance(error, UnrolledError) else described(error)
    where = f"\n  {frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}".rstrip(": ") if frame else ""
    kind = AttributeEquationError if isinstance(error, AttributeEquationError) else EquationError
    return kind(f"cell {cell}: {told}{where}")


# Frames of these packages are not the user's code, even where his code called them.
_NOT_THE_USER = ("unrolled.equations", "torch", "numpy")


def _user_frame(trail: TracebackType | None, *, first: bool) -> traceback.FrameSummary | None:
    """The innermost line of the user's own code: the one that asked for something. `first`: the outermost."""
    lines = [
        traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(trail)
        if not str(frame.f_globals.get("__name__", "")).startswith(_NOT_THE_USER)
    ]
    return lines[0 if first else -1] if lines else None
