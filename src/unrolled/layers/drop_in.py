"""`RNN`, `LSTM` and `GRU` as torch.nn has them, run as equations. Knows torch's layout of the weights.

Each subclasses torch's own layer and overrides `forward`: the parameters, their initial values and names, the
repr and every argument are torch's. The equation is handed these parameters themselves; its graph cuts the gates out of
the product in torch's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled import cells
from unrolled.engine import Precision, Program, State
from unrolled.equations import Graph, Width
from unrolled.layers.stack import Direction, Stack, run_stack, zero_state
from unrolled.layers.stepper import Stepper
from unrolled.layers.watching import Watchable, as_watched


@lru_cache(maxsize=256)
def program_of(
    name: str, options: tuple[tuple[str, Any], ...], gates: tuple[int, ...], input_size: int, hidden_size: int
) -> Program:
    """The program of a cell with these options, its gates in torch's order."""
    return Program(_in_order(getattr(cells, name)(**dict(options)).graph, gates), input_size, hidden_size)


def _in_order(graph: Graph, gates: Sequence[int]) -> Graph:
    """The graph with its gates, each as wide as the hidden size, cut out of their product at those places."""
    starts = {str(Width(hidden=gate)): str(Width(hidden=place)) for gate, place in enumerate(gates)}
    nodes = [
        replace(node, attributes={**node.attributes, "start": starts[node.attributes["start"]]})
        if node.operation == "part"
        else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


class _DropIn(Watchable, nn.RNNBase):
    """What the three have in common: torch's arguments in, a stack run, torch's results out."""

    _name: str  # of the cell
    _gates: tuple[int, ...] = (0, 1, 2)  # where the equation's gates stand in torch's order

    def _options(self) -> dict[str, Any]:
        """The cell's options, as torch's arguments ask for them."""
        raise NotImplementedError

    @property
    def _biases(self) -> str | None:
        return "each" if self.bias else None

    def forward(self, input: Any, hx: Any = None) -> Any:  # noqa: A002 (torch's name)
        """As torch.nn's layer of the same name: same arguments, shapes, results and errors."""
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: expected input to be 2-D or 3-D, got {input.dim()}-D")
        if input.shape[0 if input.dim() == 2 or not self.batch_first else 1] == 0:
            raise RuntimeError("expected the sequence to have at least one time step")
        if input.dim() == 2:
            return self._forward_unbatched(input, hx)
        x = input.transpose(0, 1) if self.batch_first else input
        output, final = self._run(x, hx, None)
        return (output.transpose(0, 1) if self.batch_first else output), final

    def stepper(self, batch_size: int = 1, precision: Precision = "float32") -> Stepper:
        """What reads one step after the other, `[B, D]`: see `Recurrent.stepper`."""
        return Stepper(self.stack(), self.input_size, self.all_weights[0][0].detach(), batch_size, precision)

    def _forward_unbatched(self, x: Tensor, hx: Any) -> tuple[Tensor, Any]:
        """Run one sequence `[T, D]` as a batch of one."""
        states = hx if isinstance(hx, tuple) else (hx,)
        if hx is not None and any(value.dim() != 2 for value in states):
            raise RuntimeError("for unbatched 2-D input, the states should also be 2-D")
        place = 0 if self.batch_first else 1
        batched = None if hx is None else self._map(lambda value: value.unsqueeze(1), hx)
        output, final = self.forward(x.unsqueeze(place), batched)
        return output.squeeze(place), self._map(lambda value: value.squeeze(1), final)

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """Run the rows in their packed order, padded, and pack the output again."""
        data, batch_sizes, order, back = packed
        x, lengths = pad_packed_sequence(PackedSequence(data, batch_sizes))
        if hx is not None and order is not None:
            hx = self._map(lambda value: value.index_select(1, order), hx)
        output, final = self._run(x, hx, lengths.to(x.device))
        repacked = pack_padded_sequence(output, lengths)
        if back is not None:
            final = self._map(lambda value: value.index_select(1, back), final)
        return PackedSequence(repacked.data, batch_sizes, order, back), final

    def _run(self, x: Tensor, hx: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        stack = self.stack()
        state = zero_state(stack, x.shape[1], x) if hx is None else self._state(hx)
        # torch's own checks; they expect batch_first as the caller gave it
        self.check_forward_args(x.transpose(0, 1) if self.batch_first else x, self._hx(state), None)
        output, final = run_stack(stack, x, state, lengths=lengths, dropout=self.dropout if self.training else 0.0)
        return output, self._hx(final)

    def stack(self) -> Stack:
        """What runs: the layers from the first to the last, each with its directions."""
        directions = 2 if self.bidirectional else 1
        wide = (self.proj_size or self.hidden_size) * directions
        options = tuple(self._options().items())
        programs = [
            program_of(self._name, options, self._gates, wide if layer else self.input_size, self.hidden_size)
            for layer in range(self.num_layers)
        ]
        stack = [
            [Direction(program, self._slots(layer * directions + place)) for place in range(directions)]
            for layer, program in enumerate(programs)
        ]
        return as_watched(self, stack)

    def _slots(self, place: int) -> list[Tensor]:
        """One layer's parameters in the order of the equation: for x, for h, and the projection if any."""
        w_x, w_h, *rest = self.all_weights[place]
        arrays = [w_x, rest[0], w_h, rest[1]] if self.bias else [w_x, w_h]
        return [*arrays, *(rest[-1:] if self.proj_size else [])]

    def _state(self, hx: Any) -> State:
        return {"h": hx}

    def _hx(self, state: State) -> Any:
        return state["h"]

    @staticmethod
    def _map(function: Any, hx: Any) -> Any:
        return tuple(function(value) for value in hx) if isinstance(hx, tuple) else function(hx)


class RNN(_DropIn, nn.RNN):
    """`torch.nn.RNN`, run as the equation `unrolled.cells.rnn`."""

    _name = "rnn"

    def _options(self) -> dict[str, Any]:
        return {"activation": self.nonlinearity, "bias": self._biases}


class GRU(_DropIn, nn.GRU):
    """`torch.nn.GRU`, run as the equation `unrolled.cells.gru`."""

    _name = "gru"

    def _options(self) -> dict[str, Any]:
        return {"bias": self._biases}


class LSTM(_DropIn, nn.LSTM):
    """`torch.nn.LSTM`, run as the equation `unrolled.cells.lstm`; torch's gates stand in the order i f g o."""

    _name = "lstm"
    _gates = (0, 1, 3, 2)

    def _options(self) -> dict[str, Any]:
        return {"projection": self.proj_size or None, "bias": self._biases}

    def _state(self, hx: Any) -> State:
        if isinstance(hx, Tensor):
            raise TypeError("LSTM takes its states as a tuple (h_0, c_0), not as one tensor")
        h, c = hx
        return {"h": h, "c": c}

    def _hx(self, state: State) -> Any:
        return state["h"], state["c"]
