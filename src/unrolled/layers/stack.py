"""A stack of layers in one or both directions over a sequence. Knows programs and tensors, owns no parameters.

One mechanism for every recurrent layer: `Recurrent` hands it its own parameters, the drop-in layers hand it
torch's, with the gates in the order of the equation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.engine import Noise, Program, Recording, State
from unrolled.errors import ShapeError, did_you_mean
from unrolled.shapes import check_shape, check_tensor


@dataclass(frozen=True)
class Direction:
    """One layer in one direction: what it computes, and the parameters in the order of the graph's slots.

    record: called at each run with its input `[T, B, D]`, gives what is to be written down of it.
    """

    program: Program
    parameters: Sequence[Tensor]
    record: Callable[[Tensor], Recording] | None = None

    def run(self, x: Tensor, state: State, noise: Sequence[Tensor] | None, **options: Any) -> tuple[Tensor, State]:
        """All steps of x `[T, B, D]`: see `engine.Program.run`."""
        recording = None if self.record is None else self.record(x)
        return self.program.run(x, state, self.parameters, noise=noise, recording=recording, **options)


# The layers from the first to the last; each has its forward direction, and maybe the reverse one.
Stack = Sequence[Sequence[Direction]]


def run_stack(
    stack: Stack,
    x: Tensor,
    state: State,
    *,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    dropout: float = 0.0,
    noise: Noise | None = None,
) -> tuple[Tensor, State]:
    """Run a sequence through all layers.

    Args:
        stack: what to run.
        x: `[T, B, D]`.
        state: each `[L, B, width]`, L counting layers times directions.
        lengths: `[B]`: how many steps of each row are real.
        reset: `[T, B]` bool: where a new segment starts.
        dropout: the probability with which a unit is dropped between two layers; 0 outside training.
        noise: which random numbers the cells' own noise is; None: its mean, as outside training.

    Returns:
        The last layer's output `[T, B, directions * width]`, and the states after the last step.
    """
    final: list[State] = []
    for layer in stack:
        if final and dropout:
            x = F.dropout(x, dropout)
        outputs = []
        for place, direction in enumerate(layer):
            before = {name: values[len(final)] for name, values in state.items()}
            drawn = None if noise is None else direction.program.draw(noise, len(final), len(x), x.shape[1], x)
            output, after = direction.run(x, before, drawn, lengths=lengths, reset=reset, reverse=place == 1)
            outputs.append(output)
            final.append(after)
        x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
    return x, _stacked(final)


def step_stack(
    stack: Stack, x: Tensor, state: State, *, dropout: float = 0.0, noise: Noise | None = None
) -> tuple[Tensor, State]:
    """Run one step `[B, D]` through all layers, forward direction only: the first step of the noise."""
    final: list[State] = []
    for place, (direction,) in enumerate(stack):
        if place and dropout:
            x = F.dropout(x, dropout)
        before = {name: values[place] for name, values in state.items()}
        drawn = None if noise is None else direction.program.draw(noise, place, 1, len(x), x)
        output, after = direction.run(x.unsqueeze(0), before, drawn)
        x = output.squeeze(0)
        final.append(after)
    return x, _stacked(final)


def zero_state(stack: Stack, batch: int, like: Tensor) -> State:
    """States of zero for a batch of so many rows, each `[L, B, width]`."""
    program = stack[0][0].program
    count = sum(len(layer) for layer in stack)
    return {one.name: like.new_zeros(count, batch, program.resolve(one.width)) for one in program.graph.states}


def check_state(stack: Stack, state: State, batch: int, x: Tensor) -> None:
    """Check the names, shapes and types of the states that were given for an input x.

    Raises:
        ShapeError: a state is missing, unknown, or of another shape, type or device.
    """
    program = stack[0][0].program
    wanted = [one.name for one in program.graph.states]
    if not isinstance(state, Mapping):
        example = ", ".join(f"{name!r}: tensor" for name in wanted)
        raise ShapeError(f"state is a {type(state).__name__}: give the states by their names, {{{example}}}")
    for name in state:
        if name not in wanted:
            raise ShapeError(
                f"there is no state {name!r}; the states: {', '.join(wanted)}." + did_you_mean(name, wanted)
            )
    count = sum(len(layer) for layer in stack)
    for one in program.graph.states:
        if one.name not in state:
            raise ShapeError(f"the state {one.name!r} is missing; give all of {', '.join(wanted)}, or state=None")
        value = state[one.name]
        check_tensor(f"state {one.name!r}", value)
        check_shape(f"state {one.name!r}", value.shape, (count, batch, program.resolve(one.width)))
        if (value.dtype, value.device) != (x.dtype, x.device) and not torch.is_autocast_enabled(x.device.type):
            raise ShapeError(f"state {one.name!r} is {value.dtype} on {value.device}, x is {x.dtype} on {x.device}")


def _stacked(final: list[State]) -> State:
    return {name: torch.stack([state[name] for state in final]) for name in final[0]}
