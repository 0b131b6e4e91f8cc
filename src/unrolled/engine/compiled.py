"""A graph made ready for the engine: its forward and its backward program, for given sizes. Knows no tensors.

Neither program depends on how many steps or rows a sequence has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from unrolled.engine.emission import emit
from unrolled.engine.fusion import fused
from unrolled.engine.homes import Buffer, Home
from unrolled.engine.partition import kept_values
from unrolled.engine.programs import Program
from unrolled.equations import Graph, Width
from unrolled.equations.derivative import Derivative, Step, derive, step_of
from unrolled.equations.operations import PER_SEQUENCE, PER_STEP

Resolve = Callable[[Width], int]
_READ_NOISE = {PER_SEQUENCE: ("multiply", "subtract"), PER_STEP: ("multiply", "subtract", "add", "greater", "where")}


@dataclass(frozen=True)
class Compiled:
    """Programs for sequences. `reason`: why there is none.

    Buffers of a program are told apart by their `kind`:

        input, output            x, and what the layer gives out where that is no state
        before, after            a state (`name`) as the step begins, and as it ends: the same memory, a step apart
        parameter                by its slot
        reset, valid             masks
        noise                    by its slot
        made                     what the program needs besides; the forward's are read again by the backward as `kept`
        gradient output, gradient state before / after, gradient input, gradient parameter
        gradient value           of a named value

    `recorded`: where the forward program has the named values that are to be kept, and how wide they are; or the number
    that one always is.
    """

    forward: Program | None
    backward: Program | None
    output_state: str | None  # the state that is the output
    reason: str = ""
    recorded: Mapping[str, tuple[Home, int] | float] = field(default_factory=dict)


class NotForTheEngineError(Exception):
    """What the engine has no word for; says why."""


@dataclass(frozen=True)
class Variant:
    """Which masks a program reads, and which gradients it has to give: none, all, or all but the input's.

    recorded: names of values that are kept for all steps. with_value_gradients: their gradients, too.
    """

    with_reset: bool = False
    with_lengths: bool = False
    with_gradients: bool = False
    with_input_gradient: bool = False
    recorded: tuple[str, ...] = ()
    with_value_gradients: bool = False


def compiled(graph: Graph, input_size: int, hidden_size: int, variant: Variant) -> Compiled:
    """The programs of a graph; without gradients, the forward one alone, which keeps nothing."""

    def resolve(width: Width) -> int:
        return width.resolve(input_size, hidden_size)

    values = variant.recorded if variant.with_value_gradients else ()
    step = step_of(graph, with_reset=variant.with_reset, with_lengths=variant.with_lengths, apart=values)
    try:
        _check(step)
        derivative = derive(step, values) if variant.with_gradients else None
        if derivative is not None and not variant.with_input_gradient:
            derivative = replace(derivative, of_input=None)
        return _compiled(step, derivative, resolve, variant.recorded)
    except NotForTheEngineError as error:
        return Compiled(None, None, None, str(error))


def _compiled(step: Step, derivative: Derivative | None, resolve: Resolve, names: Iterable[str]) -> Compiled:
    output_state = next((name for name, place in step.after.items() if place == step.output), None)
    kept = set() if derivative is None else set(_kept(step, derivative, resolve))
    nodes = step.tape.nodes
    recorded = {name: step.names[name] for name in names if nodes[step.names[name]].operation != "number"}
    constants = {name: nodes[step.names[name]].attributes["value"] for name in names if name not in recorded}
    forward = _forward(step, resolve, kept | set(recorded.values()), output_state)
    backward = None if derivative is None else _backward(step, derivative, resolve, forward, kept, output_state)
    homes = {name: (forward.kept[place], _units(step, place, resolve)) for name, place in recorded.items()}
    return Compiled(forward, backward, output_state, recorded=homes | constants)


def _check(step: Step) -> None:
    tape = step.tape
    for name, place in {"the output": step.output, **step.after}.items():
        if tape.is_vector(place):
            raise NotForTheEngineError(f"{name} comes from parameters alone")
    for node in tape.nodes:
        if node.operation == "linear" and tape.is_vector(node.operands[0]):
            raise NotForTheEngineError("a matrix is multiplied with a learned vector")
        noise = [tape.nodes[one].attributes["per"] for one in node.operands if tape.nodes[one].operation == "noise"]
        if any(node.operation not in _READ_NOISE[per] for per in noise):
            raise NotForTheEngineError("its noise is neither dropout nor zoneout")


def _leaves(step: Step, resolve: Resolve) -> dict[int, tuple[Buffer, int]]:
    """Where the leaves of a step lie."""
    given: dict[int, tuple[Buffer, int]] = {}
    for place, node in enumerate(step.tape.nodes):
        width = 1 if node.width is None else resolve(node.width)
        match node.operation:
            case "input":
                given[place] = Buffer("input", "", "history", width), 0
            case "state":
                given[place] = Buffer("before", node.attributes["name"], "history", width), 0
            case "parameter":
                given[place] = Buffer("parameter", node.attributes["slot"], "vector", width), 0
            case "noise":
                span = "history" if node.attributes["per"] == PER_STEP else "step"
                given[place] = Buffer("noise", node.attributes["slot"], span, width), 0
            case "mask":
                given[place] = Buffer(node.attributes["name"], "", "mask", 1), 0
    return given


def _kept(step: Step, derivative: Derivative, resolve: Resolve) -> list[int]:
    nodes = step.tape.nodes[: derivative.forward]
    needed = _read_by(step, derivative)
    free = [place for place, node in enumerate(nodes) if not node.operands or step.tape.is_vector(place)]
    free += [*step.after.values(), step.output]
    return kept_values(nodes, needed, free, lambda place: 1 if (w := nodes[place].width) is None else resolve(w))


def _read_by(step: Step, derivative: Derivative) -> set[int]:
    """What a derivative reads of its step, for what it gives out: of numbers and noise it gives no gradient."""
    results = [derivative.of_input, *derivative.of_before.values(), *derivative.of_parameters.values()]
    results += derivative.of_names.values()
    waiting = [place for place in results if place is not None]
    read: set[int] = set()
    seen: set[int] = set()
    while waiting:
        place = waiting.pop()
        if place < derivative.forward:
            read.add(place)
        elif place not in seen:
            seen.add(place)
            waiting += step.tape.nodes[place].operands
    return read


def _slots(step: Step, places: Mapping[int, int]) -> dict[int, int]:
    """Where the parameters stand on a fused tape, and their slots."""
    return {
        places[place]: node.attributes["slot"]
        for place, node in enumerate(step.tape.nodes)
        if node.operation == "parameter" and place in places
    }


def _forward(step: Step, resolve: Resolve, kept: set[int], output_state: str | None) -> Program:
    results = [(place, _state(step, name, "after", resolve)) for name, place in step.after.items()]
    if output_state is None:
        results.append((step.output, Buffer("output", "", "history", _width(step, step.output, resolve))))
    given = _leaves(step, resolve)
    tape, places = fused(step.tape, [*(place for place, _ in results), *kept], given, step.before.values())
    program = emit(
        tape,
        resolve,
        given={places[place]: home for place, home in given.items() if place in places},
        results=[(places[place], buffer) for place, buffer in results],
        carried={places[place]: places[step.after[name]] for name, place in step.before.items() if place in places},
        kept={places[place] for place in kept},
        slots=_slots(step, places),
    )
    program.kept = {place: program.homes[places[place]] for place in kept}
    return program


def _state(step: Step, name: str, kind: str, resolve: Resolve) -> Buffer:
    return Buffer(kind, name, "history", _width(step, step.before[name], resolve))


def _backward(
    step: Step, derivative: Derivative, resolve: Resolve, forward: Program, kept: set[int], output_state: str | None
) -> Program:
    given = _leaves(step, resolve)
    for name, place in step.after.items():
        given.setdefault(place, (_state(step, name, "after", resolve), 0))
    if output_state is None:
        given.setdefault(step.output, (Buffer("output", "", "history", _width(step, step.output, resolve)), 0))
    for place in kept:
        home = forward.kept[place]
        buffer = forward.buffers[home.buffer]
        is_made = buffer.kind == "made"
        given[place] = Buffer("kept", home.buffer, "history", buffer.width) if is_made else buffer, home.column
    given[derivative.of_output] = Buffer("gradient output", "", "history", _width(step, step.output, resolve)), 0
    results: list[tuple[int, Buffer]] = []
    carried: dict[int, int] = {}
    for name, leaf in derivative.of_after.items():
        width = _width(step, step.before[name], resolve)
        given[leaf] = Buffer("gradient state after", name, "history", width), 0
        before = derivative.of_before[name]
        carried[leaf] = step.tape.number(0.0) if before is None else before
        results.append((carried[leaf], Buffer("gradient state before", name, "history", width)))
    if derivative.of_input is not None:
        width = _width(step, step.input, resolve)
        results.append((derivative.of_input, Buffer("gradient input", "", "history", width)))
    for slot, place in derivative.of_parameters.items():
        columns = step.tape.nodes[place].attributes.get("columns", "1")
        size = _width(step, place, resolve) * resolve(Width.parse(columns))
        results.append((place, Buffer("gradient parameter", slot, "vector", size)))
    for name, place in derivative.of_names.items():
        results.append((place, Buffer("gradient value", name, "history", _width(step, place, resolve))))
    tape, places = fused(step.tape, [place for place, _ in results], given, carried)
    return emit(
        tape,
        resolve,
        given={places[place]: home for place, home in given.items() if place in places},
        results=[(places[place], buffer) for place, buffer in results],
        carried={places[leaf]: places[place] for leaf, place in carried.items() if leaf in places},
        kept=set(),
        slots=_slots(step, places),
    )


def _width(step: Step, place: int, resolve: Resolve) -> int:
    assert step.tape.nodes[place].width is not None, "only plain numbers and masks have no width"
    return _units(step, place, resolve)


def _units(step: Step, place: int, resolve: Resolve) -> int:
    width = step.tape.nodes[place].width
    return 1 if width is None else resolve(width)
