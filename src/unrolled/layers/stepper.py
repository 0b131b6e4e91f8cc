"""A layer that reads one time step after the other, and keeps its states. Knows stacks, not who owns the weights."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.engine import Precision, State, Steps, check_precision, obstacle_to_freezing
from unrolled.errors import ConfigError, ShapeError
from unrolled.layers.stack import Direction, Stack, check_state, step_stack, zero_state
from unrolled.shapes import check_shape, check_tensor

_MOST = 1_000_000  # streams


class Stepper:
    """Reads steps as they come, for streaming and control: `stepper(x)` is the output of the next one.

    It has a snapshot of the layer's weights, gives no gradients, and is in evaluation: noise is its mean. The output of
    each step is, bit for bit, that of the layer over the whole sequence. Not for several threads at once.

        stepper = layer.stepper()
        for frame in frames:  # [1, D]
            output = stepper(frame)  # [1, output_size]
    """

    def __init__(self, stack: Stack, input_size: int, like: Tensor, batch_size: int, precision: Precision) -> None:
        """Begin with states of zero.

        Args:
            stack: the layers.
            input_size: D.
            like: a tensor of the layer's type, where it is.
            batch_size: how many streams are read side by side.
            precision: of the matrices. "float32": as they are. "bf16": rounded, as is what they multiply; sums and all
                else is float32. "int8": each column of a matrix has 255 steps up to its largest magnitude.

        Raises:
            ShapeError: a bidirectional layer, or no batch size.
            ConfigError: no precision, or one that needs the native engine, which cannot run this.
        """
        if any(len(layer) > 1 for layer in stack):
            raise ShapeError("a bidirectional layer cannot run step by step: it has to see the whole sequence")
        if type(batch_size) is not int or not 1 <= batch_size <= _MOST:
            raise ShapeError(f"batch_size is {batch_size!r}: give a whole number from 1 to {_MOST:,}")
        self._stack = stack
        self._shape = batch_size, input_size
        self._like = like
        state = zero_state(stack, batch_size, like)
        layers = [(one.program, one.parameters) for (one,) in stack]
        reason = obstacle_to_freezing(layers, [like])
        check_precision(precision, like.dtype, reason)
        with torch.inference_mode(False), torch.no_grad():  # it may be used outside of where it is made
            self._steps = _ReferenceSteps(stack, state) if reason else Steps(layers, state, input_size, precision)

    def __call__(self, x: Tensor) -> Tensor:
        """The output `[B, output_size]` of the next step, for its input x `[B, D]`.

        Raises:
            ShapeError: x is of another shape, type or device.
        """
        check_tensor("x", x)
        check_shape("x", x.shape, self._shape)
        if (x.dtype, x.device) != (self._like.dtype, self._like.device):
            raise ShapeError(f"x is {x.dtype} on {x.device}, the layer {self._like.dtype} on {self._like.device}")
        with torch.no_grad():
            return self._steps.step(x)

    def __reduce_ex__(self, _: object) -> str | tuple[object, ...]:
        raise ConfigError("a stepper cannot be copied: make another with layer.stepper(), and set its state")

    @property
    def state(self) -> State:
        """The states after the last step: name -> `[L, B, width]`. Set it to go on from others, or None: from zeros."""
        return self._steps.state

    @state.setter
    def state(self, state: State | None) -> None:
        if state is None:
            state = zero_state(self._stack, self._shape[0], self._like)
        check_state(self._stack, state, self._shape[0], self._like)
        self._steps.state = {name: value.detach() for name, value in state.items()}


class _ReferenceSteps:
    """What the engine's `Steps` does, where it cannot."""

    def __init__(self, stack: Stack, state: State) -> None:
        self._state = state
        self._stack = [
            [Direction(one.program, [value.detach().clone() for value in one.parameters]) for one in layer]
            for layer in stack
        ]

    @property
    def state(self) -> State:
        return {name: value.clone() for name, value in self._state.items()}

    @state.setter
    def state(self, state: State) -> None:
        self._state = {name: value.clone() for name, value in state.items()}

    def step(self, x: Tensor) -> Tensor:
        output, self._state = step_stack(self._stack, x, self._state)
        return output.clone()
