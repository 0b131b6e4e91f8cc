"""Any cell in ONNX: its equation as the body of a `Scan` over time, and as one step. Never unrolled over time.

As in the engine, what needs no state is computed for all steps before the loop, and what feeds none after it.
"""

from __future__ import annotations

from collections.abc import Mapping

from unrolled.equations.schedule import AFTER, BEFORE, DURING, schedule
from unrolled.exporting.equation import Equation, Values, zeros
from unrolled.exporting.lengths import Lengths
from unrolled.exporting.operations import repeated
from unrolled.exporting.sheet import Sheet

States = dict[str, str]
Places = Mapping[str, list[int]]  # the nodes of a graph, by when they are computed


def step(sheet: Sheet, equation: Equation, x: str, states: Mapping[str, str]) -> tuple[str, States]:
    """One step: x `[B, D]` and the states `[B, width]` -> the output and the states after it."""
    graph = equation.graph
    values: Values = {graph.input: x} | {one.before: states[one.name] for one in graph.states}
    equation.write(sheet, range(len(graph.nodes)), values)

    def with_rows(place: int) -> str:
        if equation.has_rows[place]:
            return values[place]
        return repeated(sheet, values[place], equation.width(place), x)

    return with_rows(graph.output), {one.name: with_rows(one.after) for one in graph.states}


def loop(sheet: Sheet, equation: Equation, x: str, lengths: Lengths, *, reverse: bool) -> tuple[str, States]:
    """All steps of x `[T, B, D]`, from states of zero.

    Returns:
        The output `[T, B, width]`, zero past each row's end, and the states `[B, width]` after its last real step.
    """
    graph, when = equation.graph, schedule(equation.graph)
    places: Places = {
        moment: [place for place, one in enumerate(when) if one == moment] for moment in (BEFORE, DURING, AFTER)
    }
    values: Values = {graph.input: x}
    equation.write(sheet, places[BEFORE], values)
    final = _scan(sheet, equation, lengths, values, places, reverse=reverse)
    equation.write(sheet, places[AFTER], values)
    output = sheet.call("Where", lengths.real, values[graph.output], sheet.number(0.0), name=f"{equation.name}output")
    return output, final


def _scan(
    sheet: Sheet, equation: Equation, lengths: Lengths, values: Values, places: Places, *, reverse: bool
) -> States:
    """Write the loop, and into `values` what is needed of each step behind it."""
    states = equation.graph.states
    body = Sheet(sheet)
    read, kept = _body(body, equation, values, places)
    begins = [zeros(sheet, lengths.rows, equation.state_width(one.name)) for one in states]
    made = sheet.calls_for(
        "Scan",
        *begins,
        lengths.real,
        *(values[place] for place in read),
        names=(*(f"{equation.name}{one.name}@end" for one in states), *map(equation.called, kept)),
        body=body,
        num_scan_inputs=1 + len(read),
        **_directions(input=1 + len(read), output=len(kept), reverse=reverse),
    )
    values.update(zip(kept, made[len(states) :], strict=True))
    return {one.name: value for one, value in zip(states, made, strict=False)}


def _body(body: Sheet, equation: Equation, around: Values, places: Places) -> tuple[list[int], list[int]]:
    """Write one step of the loop; the nodes that it reads of each step, and those that it gives out of each."""
    graph = equation.graph
    states = [(one, f"{equation.name}{one.name}", ("B", equation.state_width(one.name))) for one in graph.states]
    within: Values = {one.before: body.input(f"{name}@0", "float32", shape) for one, name, shape in states}
    real = body.input(f"{equation.name}is_real", "bool", ("B", 1))
    needed = _needed(equation, [*places[DURING], *(one.after for one in graph.states)], places[BEFORE])
    read = [place for place in needed if equation.has_rows[place]]
    within |= {place: around[place] for place in needed if not equation.has_rows[place]}
    within |= {place: body.input(f"{equation.called(place)}@t", *equation.port(place)) for place in read}
    equation.write(body, places[DURING], within)
    for one, name, shape in states:  # a row that has ended keeps its states
        body.output(f"{name}@1", body.call("Where", real, within[one.after], within[one.before]), "float32", shape)
    kept = _needed(equation, [*places[AFTER], graph.output], places[DURING])
    for place in kept:
        body.output(f"{equation.called(place)}@out", within[place], *equation.port(place))
    return read, kept


def _directions(*, reverse: bool, **counts: int) -> dict[str, list[int]]:
    """From the end, if so: which is said of each that is read or written; where there is none, nothing can be said."""
    return {f"scan_{kind}_directions": [int(reverse)] * count for kind, count in counts.items() if count}


def _needed(equation: Equation, by: list[int], among: list[int]) -> list[int]:
    """Which of some nodes are among others, or are what those compute from, in the order of the graph."""
    wanted = {*by, *(operand for place in by for operand in equation.graph.nodes[place].operands)}
    return [place for place in among if place in wanted]
