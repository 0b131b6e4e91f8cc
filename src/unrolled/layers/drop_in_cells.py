"""`RNNCell`, `LSTMCell` and `GRUCell` as torch.nn has them, run as equations. Knows torch's layout of the weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from unrolled.engine import State
from unrolled.layers.drop_in import program_of
from unrolled.layers.stack import Direction, Stack, step_stack
from unrolled.layers.watching import Watchable, as_watched


class _DropInCell(Watchable, nn.RNNCellBase):
    """What the three have in common: one time step, torch's arguments in, torch's results out."""

    _name: str  # of the cell
    _gates: tuple[int, ...] = (0, 1, 2)  # where the equation's gates stand in torch's order
    _states: tuple[str, ...] = ("h",)

    def _options(self) -> dict[str, Any]:
        """The cell's options, as torch's arguments ask for them."""
        return {"bias": "each" if self.bias else None}

    def forward(self, input: Tensor, hx: Any = None) -> Any:  # noqa: A002 (torch's name)
        """As torch.nn's cell of the same name: same arguments, shapes, results and errors."""
        if input.dim() not in (1, 2):
            raise ValueError(f"{type(self).__name__}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        x = input if input.dim() == 2 else input.unsqueeze(0)
        states = self._given(hx, x, is_single=input.dim() == 1)
        if x.shape[1] != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {x.shape[1]} expected {self.input_size}")
        for value in states:
            if value.shape != (len(x), self.hidden_size):
                wanted = [len(x), self.hidden_size]
                raise RuntimeError(f"hidden has inconsistent size: got {list(value.shape)} expected {wanted}")
        state = {name: value.unsqueeze(0) for name, value in zip(self._states, states, strict=True)}
        return self._told(step_stack(self.stack(), x, state)[1], is_single=input.dim() == 1)

    def _given(self, hx: Any, x: Tensor, *, is_single: bool) -> tuple[Tensor, ...]:
        """The states `[B, H]`."""
        if hx is None:
            return tuple(x.new_zeros(len(x), self.hidden_size) for _ in self._states)
        given = hx if isinstance(hx, tuple | list) else (hx,)
        if len(given) != len(self._states):
            raise ValueError(f"{type(self).__name__}: Expected {len(self._states)} states, got {len(given)}")
        return tuple(value.unsqueeze(0) if is_single else value for value in given)

    def _told(self, state: State, *, is_single: bool) -> Any:
        """The new states as torch gives them out."""
        told = [state[name].squeeze(0) for name in self._states]
        told = [value.squeeze(0) for value in told] if is_single else told
        return told[0] if len(told) == 1 else tuple(told)

    def stack(self) -> Stack:
        """What runs: one layer."""
        program = program_of(self._name, tuple(self._options().items()), self._gates, self.input_size, self.hidden_size)
        arrays = [self.weight_ih, self.weight_hh]
        if self.bias:
            arrays = [self.weight_ih, self.bias_ih, self.weight_hh, self.bias_hh]
        return as_watched(self, [[Direction(program, arrays)]])


class RNNCell(_DropInCell, nn.RNNCell):
    """`torch.nn.RNNCell`, run as the equation `unrolled.cells.rnn`."""

    _name = "rnn"

    def _options(self) -> dict[str, Any]:
        return {"activation": self.nonlinearity, **super()._options()}


class GRUCell(_DropInCell, nn.GRUCell):
    """`torch.nn.GRUCell`, run as the equation `unrolled.cells.gru`."""

    _name = "gru"


class LSTMCell(_DropInCell, nn.LSTMCell):
    """`torch.nn.LSTMCell`, run as the equation `unrolled.cells.lstm`; torch's gates stand in the order i f g o."""

    _name = "lstm"
    _gates = (0, 1, 3, 2)
    _states = ("h", "c")
