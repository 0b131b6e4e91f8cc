"""The derivative of a cell: what one step backwards in time computes, as a graph. Knows rules, runs nothing.

Reverse-mode differentiation, node by node (Griewank & Walther 2008, ch. 3; backpropagation through time, Werbos
1990). The backward nodes stand behind the graph's own nodes in one list and refer to them; which of these are kept
from the forward pass and which computed again is decided later, by `unrolled.engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from unrolled.equations.graph import Graph
from unrolled.equations.operations import COMPARISONS
from unrolled.equations.tape import Tape
from unrolled.equations.width import Width


@dataclass(frozen=True)
class Step:
    """One time step on a tape: the leaves that come in, and what goes out.

    `names` says where each named value stands. The masks are leaves, true or false for a row: `reset` (a new segment
    starts: the states are zero) and `valid` (the row has not ended: else its states stay and its output is zero).
    """

    tape: Tape
    input: int
    before: Mapping[str, int]
    after: Mapping[str, int]
    output: int
    names: Mapping[str, int]


def step_of(graph: Graph, *, with_reset: bool = False, with_lengths: bool = False, apart: Iterable[str] = ()) -> Step:
    """The step of a graph, simplified, with the masks that are asked for.

    `apart`: names of values that stay nodes of their own; else two values that are equal are one.
    """
    tape = Tape()
    before = {state.name: tape.leaf("state", state.width, name=state.name) for state in graph.states}
    begins = dict(before)
    if with_reset:
        mask = tape.leaf("mask", None, name="reset")
        zero = tape.number(0.0)
        begins = {
            name: tape.apply("rows_where", mask, zero, place, wide=tape.nodes[place].width)
            for name, place in before.items()
        }
    given = {state.before: begins[state.name] for state in graph.states}
    places = _written(tape, graph, given, {graph.names[name] for name in apart})
    after = {state.name: places[state.after] for state in graph.states}
    output = places[graph.output]
    if with_lengths:
        mask = tape.leaf("mask", None, name="valid")
        after = {
            state.name: tape.apply("rows_where", mask, after[state.name], begins[state.name], wide=state.width)
            for state in graph.states
        }
        output = tape.apply("rows_where", mask, output, tape.number(0.0), wide=graph.output_width)
    names = {name: places[node] for name, node in graph.names.items()}
    return Step(tape, places[graph.input], before, after, output, names)


def _written(tape: Tape, graph: Graph, given: Mapping[int, int], apart: set[int]) -> list[int]:
    """Where each node of the graph stands on the tape, once they are written there. A norm is written out."""
    places: list[int] = []
    for at, node in enumerate(graph.nodes):
        operands = [places[operand] for operand in node.operands]
        apply = tape.apart if at in apart else tape.apply
        if at in given:
            places.append(given[at])
        elif not operands:
            places.append(tape.leaf(node.operation, node.width, **node.attributes))
        elif node.operation == "norm":
            value, gain, bias = operands
            scaled = tape.apply("multiply", tape.apply("normalised", value, **node.attributes), gain)
            places.append(apply("add", scaled, bias))
        else:
            places.append(apply(node.operation, *operands, **node.attributes))
    return places


@dataclass(frozen=True)
class Derivative:
    """What a step backwards in time computes, on the tape of its step, behind it.

    Leaves of the operation `gradient` are what comes in: of the output, and of each state as the step ends. What goes
    out: the gradients of the input, of each state as the step begins, of each parameter by its slot, summed over rows
    and steps, and of named values. None, or absent: the step does not depend on it, or it on no step.
    """

    step: Step
    forward: int  # how many nodes of the tape are the step's own
    of_output: int
    of_after: Mapping[str, int]
    of_input: int | None
    of_before: Mapping[str, int | None]
    of_parameters: Mapping[int, int]
    of_names: Mapping[str, int]


def derive(step: Step, names: Iterable[str] = ()) -> Derivative:
    """The derivative of a step; its nodes are written behind those of the step, on the same tape.

    `names`: the values of which the gradient is wanted, too, at each step.
    """
    tape = step.tape
    forward = len(tape.nodes)
    sweep = _Sweep(tape)
    of_output = tape.leaf("gradient", tape.nodes[step.output].width, name="output")
    sweep.add(step.output, of_output)
    of_after = {}
    for name, place in step.after.items():
        of_after[name] = tape.leaf("gradient", tape.nodes[place].width, name=f"state {name}")
        sweep.add(place, of_after[name])
    for place in reversed(range(forward)):
        sweep.visit(place)
    slots = {node.attributes["slot"]: at for at, node in enumerate(tape.nodes) if node.operation == "parameter"}
    of_parameters = {slot: sweep.gradient(place) for slot, place in slots.items()}
    of_names = {name: sweep.gradient(step.names[name]) for name in names if not tape.is_vector(step.names[name])}
    return Derivative(
        step=step,
        forward=forward,
        of_output=of_output,
        of_after=of_after,
        of_input=sweep.gradient(step.input),
        of_before={name: sweep.gradient(place) for name, place in step.before.items()},
        of_parameters={slot: place for slot, place in of_parameters.items() if place is not None},
        of_names={name: place for name, place in of_names.items() if place is not None},
    )


class _Sweep:
    """The gradients found so far, from the last node to the first."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._terms: dict[int, list[int]] = {}
        self._pieces: dict[int, dict[tuple[str, str], int]] = {}  # of values that are cut: the gradients of their parts
        self._whole: dict[int, int | None] = {}

    def add(self, place: int, term: int) -> None:
        """One more way in which a node acts on the loss."""
        if self.tape.is_vector(place) and not self.tape.is_vector(term):
            term = self.tape.apply("column_sum", term)
        self._terms.setdefault(place, []).append(term)

    def gradient(self, place: int) -> int | None:
        """The sum of all ways, once every node behind this one was visited; None if there is none."""
        if place not in self._whole:
            terms = [*self._terms.get(place, []), *self._joined(place)]
            total = terms[0] if terms else None
            for term in terms[1:]:
                assert total is not None
                total = self.tape.apply("add", total, term)
            self._whole[place] = total
        return self._whole[place]

    def visit(self, place: int) -> None:
        """Pass a node's gradient on to its operands."""
        node = self.tape.nodes[place]
        if node.operation in COMPARISONS or not node.operands:
            return
        gradient = self.gradient(place)
        if gradient is None:
            return
        if node.operation == "part":
            span = (node.attributes["start"], node.attributes["width"])
            pieces = self._pieces.setdefault(node.operands[0], {})
            pieces[span] = self.tape.apply("add", pieces[span], gradient) if span in pieces else gradient
            return
        for operand, term in zip(node.operands, RULES[node.operation](self.tape, place, gradient), strict=True):
            if term is not None and self.tape.nodes[operand].operation != "number":
                self.add(operand, term)

    def _joined(self, place: int) -> list[int]:
        """The gradients of a value's parts, as gradients of the value: one concatenation if they make it up."""
        pieces = self._pieces.get(place, {})
        width = self.tape.nodes[place].width
        by_start = {start: (Width.parse(wide), one) for (start, wide), one in pieces.items()}
        end, row = Width(), list[int]()
        while str(end) in by_start and len(row) < len(pieces):
            wide, one = by_start[str(end)]
            row.append(one)
            end = end + wide
        if len(row) == len(pieces) and end == width:
            return [self.tape.apply("concat", *row) if len(row) > 1 else row[0]] if row else []
        return [self.tape.apply("pad", one, wide=width, start=start) for (start, _), one in pieces.items()]


# For each operation: the gradients of its operands, from its place on the tape and its own gradient.
Rule = Callable[[Tape, int, int], list[int | None]]


def _add(_: Tape, __: int, g: int) -> list[int | None]:
    return [g, g]


def _subtract(tape: Tape, _: int, g: int) -> list[int | None]:
    return [g, tape.apply("negative", g)]


def _multiply(tape: Tape, place: int, g: int) -> list[int | None]:
    a, b = tape.nodes[place].operands
    return [tape.apply("multiply", g, b), tape.apply("multiply", g, a)]


def _divide(tape: Tape, place: int, g: int) -> list[int | None]:
    _, b = tape.nodes[place].operands
    of_a = tape.apply("divide", g, b)
    return [of_a, tape.apply("negative", tape.apply("multiply", of_a, place))]


def _greater_of(tape: Tape, place: int, g: int, better: str) -> list[int | None]:
    """The chosen operand has the gradient; where both are equal, each has half of it (as in torch)."""
    a, b = tape.nodes[place].operands
    none, half = tape.number(0.0), tape.apply("multiply", g, tape.number(0.5))
    a_wins, b_wins = tape.apply(better, a, b), tape.apply(better, b, a)
    return [
        tape.apply("where", a_wins, g, tape.apply("where", b_wins, none, half)),
        tape.apply("where", b_wins, g, tape.apply("where", a_wins, none, half)),
    ]


def _power(tape: Tape, place: int, g: int) -> list[int | None]:
    a, b = tape.nodes[place].operands
    lower = tape.apply("power", a, tape.apply("subtract", b, tape.number(1.0)))
    of_a = tape.apply("multiply", g, tape.apply("multiply", b, lower))
    if tape.nodes[b].operation == "number":
        return [of_a, None]
    none = tape.number(0.0)
    of_b = tape.apply("multiply", g, tape.apply("multiply", place, tape.apply("log", a)))
    is_zero = tape.apply("where", tape.apply("less_equal", tape.apply("absolute", a), none), none, of_b)
    not_zero = tape.apply("where", tape.apply("greater_equal", b, none), is_zero, of_b)
    return [of_a, not_zero]


def _where(tape: Tape, place: int, g: int) -> list[int | None]:
    condition, none = tape.nodes[place].operands[0], tape.number(0.0)
    return [None, tape.apply("where", condition, g, none), tape.apply("where", condition, none, g)]


def _rows_where(tape: Tape, place: int, g: int) -> list[int | None]:
    mask, none = tape.nodes[place].operands[0], tape.number(0.0)
    width = tape.nodes[place].width
    return [
        None,
        tape.apply("rows_where", mask, g, none, wide=width),
        tape.apply("rows_where", mask, none, g, wide=width),
    ]


def _linear(tape: Tape, place: int, g: int) -> list[int | None]:
    value, matrix, *bias = tape.nodes[place].operands
    columns = Width.parse(tape.nodes[place].attributes["columns"])
    of_value = tape.apply("linear_transposed", g, matrix, wide=columns)
    of_matrix = tape.apply("outer", g, value, wide=tape.nodes[matrix].width, columns=str(columns))
    return [of_value, of_matrix, *(g for _ in bias)]


def _normalised(tape: Tape, place: int, g: int) -> list[int | None]:
    node = tape.nodes[place]
    return [tape.apply("normalised_gradient", g, *node.operands, **node.attributes)]


def _concat(tape: Tape, place: int, g: int) -> list[int | None]:
    pieces: list[int | None] = []
    start = Width()
    for operand in tape.nodes[place].operands:
        width = tape.nodes[operand].width
        assert width is not None, "a concatenation has no plain numbers"
        pieces.append(tape.apply("part", g, start=str(start), width=str(width)))
        start = start + width
    return pieces


def _unary(rule: Callable[[Tape, int, int, int], int]) -> Rule:
    """From the tape, the operand, the result and its gradient."""
    return lambda tape, place, g: [rule(tape, tape.nodes[place].operands[0], place, g)]


def _of_relu(tape: Tape, _: int, y: int, g: int) -> int:
    zero = tape.number(0.0)
    return tape.apply("where", tape.apply("less_equal", y, zero), zero, g)


def _of_absolute(tape: Tape, a: int, _: int, g: int) -> int:
    zero = tape.number(0.0)
    below = tape.apply("where", tape.apply("less", a, zero), tape.apply("negative", g), zero)
    return tape.apply("where", tape.apply("greater", a, zero), g, below)


RULES: dict[str, Rule] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "maximum": lambda tape, place, g: _greater_of(tape, place, g, "greater"),
    "minimum": lambda tape, place, g: _greater_of(tape, place, g, "less"),
    "power": _power,
    "where": _where,
    "linear": _linear,
    "rows_where": _rows_where,
    "normalised": _normalised,
    "concat": _concat,
    "negative": _unary(lambda tape, _, __, g: tape.apply("negative", g)),
    "exp": _unary(lambda tape, _, y, g: tape.apply("multiply", g, y)),
    "log": _unary(lambda tape, a, _, g: tape.apply("divide", g, a)),
    "sqrt": _unary(lambda tape, _, y, g: tape.apply("divide", g, tape.apply("multiply", tape.number(2.0), y))),
    "sin": _unary(lambda tape, a, _, g: tape.apply("multiply", g, tape.apply("cos", a))),
    "cos": _unary(lambda tape, a, _, g: tape.apply("negative", tape.apply("multiply", g, tape.apply("sin", a)))),
    "sigmoid": _unary(lambda tape, _, y, g: tape.apply("sigmoid_gradient", g, y)),
    "tanh": _unary(lambda tape, _, y, g: tape.apply("tanh_gradient", g, y)),
    "relu": _unary(_of_relu),
    "softplus": _unary(lambda tape, a, _, g: tape.apply("multiply", g, tape.apply("sigmoid", a))),
    "absolute": _unary(_of_absolute),
}
