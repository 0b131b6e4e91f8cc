"""The reference: a graph run step by step in torch, under autograd. The truth, and the fallback everywhere.

It lifts nothing out of the loop: a step computes the same numbers whether it runs alone, in a piece of a
sequence or in the whole, bit for bit. Any device and dtype. Knows no layers, and owns no parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.engine.masks import Masks, masks_of, without_padding
from unrolled.engine.recording import Recording
from unrolled.engine.table import function_of
from unrolled.equations import Graph, Width
from unrolled.equations.operations import LEAVES

State = dict[str, Tensor]

_CACHE_LINE = 64  # bytes


class _Instruction(NamedTuple):
    """Call the function on the values at `operands`; put what it gives at `result`, or one each at `results`."""

    function: Callable[..., Any]
    operands: tuple[int, ...]
    results: tuple[int, ...]


class Reference:
    """A graph as a list of torch calls, in a layer of given sizes.

    Shapes: x `[B, D]` or `[T, B, D]`, each state `[B, width]`, parameters as `parameter_shapes` in their order.
    """

    def __init__(self, graph: Graph, input_size: int, hidden_size: int) -> None:
        self.graph = graph
        self.input_size = input_size
        self.hidden_size = hidden_size
        self._program = self._compile()
        self._parameter_nodes = self._leaves("parameter", "slot")
        self._number_nodes = self._leaves("number", "value")
        self._noise_nodes = self._leaves("noise", "slot")

    def __reduce__(self) -> tuple[Any, ...]:
        return Reference, (self.graph, self.input_size, self.hidden_size)

    def resolve(self, width: Width) -> int:
        """A width in units."""
        return width.resolve(self.input_size, self.hidden_size)

    def parameter_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each parameter, in the order of the slots."""
        return [
            tuple(self.resolve(width) for width in (parameter.rows, parameter.columns) if width is not None)
            for parameter in self.graph.parameters
        ]

    def named_values(
        self, x: Tensor, state: State, parameters: Sequence[Tensor], noise: Sequence[Tensor] = ()
    ) -> dict[str, Tensor]:
        """Every named value of one time step: x and the states `[B, width]`, the noise, too."""
        values = self._constants(x, parameters)
        self._step(values, x, state, noise)
        return {name: values[node] for name, node in self.graph.names.items()}

    def run(
        self,
        x: Tensor,
        state: State,
        parameters: Sequence[Tensor],
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        reverse: bool = False,
        noise: Sequence[Tensor] = (),
        recording: Recording | None = None,
    ) -> tuple[Tensor, State]:
        """All steps of a sequence, forwards or backwards in time.

        Args:
            x: `[T, B, D]`.
            state: the states before the first step that is computed.
            parameters: one tensor for each slot.
            lengths: `[B]`; steps at or past a row's length give zeros and leave its state alone, whatever
                stands there in x.
            reset: `[T, B]` bool; where true, a new segment starts at that step, from states of zero.
            reverse: from the last step to the first.
            noise: for each noise leaf of the graph, by its slot, `[T, B, width]`, or `[B, width]` for all steps.
            recording: what is written down on the way.

        Returns:
            The output `[T, B, width]` and the states after the last step that was computed.
        """
        masks = masks_of(len(x), lengths, reset, reverse=reverse)
        if lengths is not None:
            x = without_padding(x, lengths)
        return self.run_masked(x, state, parameters, masks, noise, reverse=reverse, recording=recording)

    def run_masked(
        self,
        x: Tensor,
        state: State,
        parameters: Sequence[Tensor],
        masks: Masks,
        noise: Sequence[Tensor],
        *,
        reverse: bool,
        recording: Recording | None = None,
    ) -> tuple[Tensor, State]:
        """The same, with lengths and resets as masks; x has no padding any more."""
        steps = len(x)
        valid, starts = masks.get("valid"), masks.get("reset")
        written = None if recording is None else _Writing(recording, x, self.graph.names)
        if written is not None:
            x, state = written.begun(x, state)
        constants = self._constants(x, parameters)
        inputs = x.contiguous().unbind()
        outputs: list[Tensor] = [x] * steps
        for t in reversed(range(steps)) if reverse else range(steps):
            if starts is not None:
                begins = starts[t].unsqueeze(-1)
                state = {name: torch.where(begins, 0.0, value) for name, value in state.items()}
            drawn = [one[t] if one.dim() > 2 else one for one in noise]
            if written is not None:  # a state as a step begins has another gradient than as the step before ended
                state = {name: value.view_as(value) for name, value in state.items()}
            values = list(constants)
            outputs[t], new = self._step(values, inputs[t], state, drawn)
            if written is not None:
                written.step(t, values)
            if valid is not None:
                goes_on = valid[t].unsqueeze(-1)
                outputs[t] = torch.where(goes_on, outputs[t], 0.0)
                new = {name: torch.where(goes_on, value, state[name]) for name, value in new.items()}
            state = new
        if written is not None:
            written.finish(valid)
        return torch.stack(outputs), state

    def _step(self, values: list[Any], x: Tensor, state: State, noise: Sequence[Tensor]) -> tuple[Tensor, State]:
        """Compute every node of the graph into `values`, where the constants stand already."""
        values[self.graph.input] = _aligned(x)
        for one in self.graph.states:
            values[one.before] = _aligned(state[one.name])
        for place, slot in self._noise_nodes.items():
            values[place] = noise[slot]
        for function, operands, results in self._program:
            value = function(*[values[operand] for operand in operands])
            if len(results) == 1:
                values[results[0]] = value
            else:
                for result, piece in zip(results, value, strict=True):
                    values[result] = piece
        rows = x.shape[:-1]
        after = {one.name: _with_rows(values[one.after], rows) for one in self.graph.states}
        return _with_rows(values[self.graph.output], rows), after

    def _constants(self, like: Tensor, parameters: Sequence[Tensor]) -> list[Any]:
        """The table of values with what does not change from step to step filled in."""
        values: list[Any] = [None] * len(self.graph.nodes)
        for place, slot in self._parameter_nodes.items():
            values[place] = parameters[slot]
        for place, number in self._number_nodes.items():
            values[place] = torch.tensor(number, dtype=like.dtype, device=like.device)
        return values

    def _leaves(self, operation: str, attribute: str) -> dict[int, Any]:
        """The place of every leaf of one kind, with its attribute."""
        nodes = enumerate(self.graph.nodes)
        return {place: node.attributes[attribute] for place, node in nodes if node.operation == operation}

    def _compile(self) -> list[_Instruction]:
        """One instruction a node; all the parts of one value together, if they make it up, are one cut.

        (The gradient of a single cut is one concatenation; that of separate ones, a padded copy each.)
        """
        program: list[_Instruction] = []
        cut: set[int] = set()
        for place, node in enumerate(self.graph.nodes):
            if node.operation in LEAVES or place in cut:
                continue
            pieces = self._pieces(place)
            if len(pieces) > 1:
                cut.update(pieces)
                program.append(self._cut(node.operands, pieces))
            else:
                function = function_of(node.operation, node.attributes, self.resolve)
                program.append(_Instruction(function, node.operands, (place,)))
        return program

    def _pieces(self, place: int) -> list[int]:
        """The places of all parts of the value that the node at `place` cuts, if they make it up in order."""
        nodes = self.graph.nodes
        whole = nodes[place].operands
        if nodes[place].operation != "part":
            return []
        pieces = [at for at, node in enumerate(nodes) if node.operation == "part" and node.operands == whole]
        end = Width()
        for at in pieces:
            if Width.parse(nodes[at].attributes["start"]) != end:
                return []
            end = end + Width.parse(nodes[at].attributes["width"])
        return pieces if end == nodes[whole[0]].width else []

    def _cut(self, operands: tuple[int, ...], pieces: list[int]) -> _Instruction:
        sizes = [self.resolve(Width.parse(self.graph.nodes[at].attributes["width"])) for at in pieces]
        return _Instruction(lambda value: value.split(sizes, dim=-1), operands, tuple(pieces))


class _Writing:
    """Writes down named values, step by step, and their gradients as they come."""

    def __init__(self, recording: Recording, x: Tensor, names: Mapping[str, int]) -> None:
        self._recording = recording
        self._x = x
        self._places = {name: names[name] for name in recording.names}
        self._values: dict[str, list[Tensor]] = {name: [x] * len(x) for name in recording.names}

    def begun(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The input and the states with which the run begins, as values that have gradients."""
        return self._leaf(x), {name: self._leaf(value) for name, value in state.items()}

    def _leaf(self, value: Tensor) -> Tensor:
        if value.requires_grad or not (self._recording.with_gradients and torch.is_grad_enabled()):
            return value
        leaf = value.detach().requires_grad_()
        self._recording.leaves.append(leaf)
        return leaf

    def step(self, t: int, values: Sequence[Any]) -> None:
        """Write down step t."""
        for name, place in self._places.items():
            value = values[place]
            self._values[name][t] = _with_rows(
                value if value.dim() else value.unsqueeze(0), self._x.shape[1:2]
            ).detach()
            if self._recording.with_gradients and value.dim() > 1 and value.requires_grad:
                value.register_hook(partial(self._keep, name, t))

    def finish(self, valid: Tensor | None) -> None:
        """Hand over what was written."""
        values = {name: torch.stack(steps).to(self._x.dtype) for name, steps in self._values.items()}
        self._recording.take(values, valid)

    def _keep(self, name: str, t: int, gradient: Tensor | None) -> None:
        if gradient is None:  # nothing that is derived depends on it
            return
        found = self._recording.gradients
        if name not in found:
            found[name] = torch.zeros_like(self._recording.values[name])
        valid = self._recording.valid
        found[name][t] = gradient.detach() if valid is None else torch.where(valid[t].unsqueeze(-1), gradient, 0.0)


def _aligned(value: Tensor) -> Tensor:
    """The same numbers, laid out and placed as matrix products find any other operand.

    A product may add in another order where its operand is transposed, or starts in the middle of a cache line
    as a slice of a sequence does; a step would then differ in the last bit from the same step of the whole.
    """
    try:
        is_aligned = value.data_ptr() % _CACHE_LINE == 0
    except RuntimeError:  # under a transform of torch.func there is no address
        is_aligned = True
    if is_aligned and value.is_contiguous():
        return value
    return value.clone(memory_format=torch.contiguous_format)


def _with_rows(value: Tensor, rows: torch.Size) -> Tensor:
    """A value for every row, also where it comes from parameters alone."""
    return value if value.dim() > 1 else value.expand(*rows, -1)
