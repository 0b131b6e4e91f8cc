"""Decoding in the engine: a model that writes symbol after symbol, without coming back to Python. Knows tensors.

It works on a snapshot: the model's parameters as they were when it was made, packed once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.engine.executable import POOL
from unrolled.engine.homes import Buffer
from unrolled.engine.program import Program
from unrolled.engine.reference import State
from unrolled.engine.snapshot import Place, Precision, Snapshot, frozen
from unrolled.engine.stacking import Chosen, stacked
from unrolled.errors import ShapeError
from unrolled.shapes import check_shape, check_tensor


class Decoder:
    """A stack of layers between a table of symbols and a read-out, for any number of streams.

    Args:
        layers: a program and its parameters for each layer.
        table: what a symbol is to the first layer, `[V, D]`.
        weight, bias: of the read-out, `[V, width]` and `[V]`.
        chosen: how a symbol is chosen.
        precision: of the matrices, see `Snapshot`.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Program, Sequence[Tensor]]],
        table: Tensor,
        weight: Tensor,
        bias: Tensor,
        chosen: Chosen,
        precision: Precision = "float32",
    ) -> None:
        self._table = table.detach().clone(memory_format=torch.contiguous_format)
        graph, self._layers = layers[0][0], len(layers)
        self._widths = {one.name: graph.resolve(one.width) for one in graph.graph.states}
        program = stacked(frozen(layers, table), table.shape[1], len(table), chosen)
        parameters = [*(one for _, those in layers for one in those), weight, bias]
        self._snapshot = Snapshot(program, parameters, table.dtype, precision)

    def write(self, logits: Tensor, state: State, numbers: Tensor) -> tuple[Tensor, Tensor, State]:
        """Write one symbol for each of `numbers`.

        Args:
            logits: `[B, V]`, of the first symbol.
            state: name -> `[L, B, width]`.
            numbers: `[N, B]` of float64, from 0 to below 1: which of the symbols, laid side by side, is drawn.

        Returns:
            The ids `[N, B]`, -1 in all rows from where the logits of one are not finite; the logits after the last, and
            the states.

        Raises:
            ShapeError: a tensor of another shape, type or device, or a state that is missing or unknown.
        """
        self._check(logits, state, numbers)
        steps, batch = numbers.shape
        tensors: dict[tuple[str, object], Tensor] = {
            ("logits", ""): logits.clone(memory_format=torch.contiguous_format),
            ("numbers", ""): numbers.contiguous(),
            ("ids", ""): torch.empty((steps, batch), dtype=torch.int64, device="cpu"),
        }
        blocks = []
        for name, values in state.items():
            for layer, value in enumerate(values):
                history, block = POOL.lend((steps + 1, *value.shape), value.dtype)
                blocks.append(block)
                history[0] = value
                tensors["before", f"{layer} {name}"] = history
        bound = self._snapshot.bound(lambda buffer: self._place(buffer, batch, tensors))
        self._snapshot.run(bound, steps, batch)
        after = {
            name: torch.stack([tensors["before", f"{layer} {name}"][-1] for layer in range(len(values))])
            for name, values in state.items()
        }
        ids = tensors["ids", ""]
        are_drawn = (ids >= 0).all(dim=1, keepdim=True).cummin(dim=0).values
        return ids.where(are_drawn, -1), tensors["logits", ""], after

    def _check(self, logits: Tensor, state: State, numbers: Tensor) -> None:
        """The engine reads memory by these shapes and types."""
        check_tensor("numbers", numbers)
        if numbers.dim() != 2 or numbers.dtype != torch.float64:
            raise ShapeError(f"numbers are {numbers.dtype} {list(numbers.shape)}: give float64 [N, B]")
        batch = numbers.shape[1]
        wanted: dict[str, tuple[Tensor, tuple[int, ...]]] = {"logits": (logits, (batch, len(self._table)))}
        if state.keys() != self._widths.keys():
            raise ShapeError(f"the states are {', '.join(state)}: give {', '.join(self._widths)}")
        for name, width in self._widths.items():
            wanted[f"state {name!r}"] = state[name], (self._layers, batch, width)
        for name, (value, shape) in wanted.items():
            check_tensor(name, value)
            check_shape(name, value.shape, shape)
            if value.dtype != self._table.dtype:
                raise ShapeError(f"{name} is {value.dtype}, the model's weights are {self._table.dtype}")
        if any(value.device.type != "cpu" for value in (numbers, logits, *state.values())):
            raise ShapeError("the engine decodes on the CPU: give it tensors that are there")

    def _place(self, buffer: Buffer, batch: int, tensors: dict[tuple[str, object], Tensor]) -> Place:
        width = buffer.width
        match buffer.kind:
            case "before":
                return tensors["before", buffer.name].data_ptr(), width, batch * width
            case "after":
                return tensors["before", buffer.name][1:].data_ptr(), width, batch * width
            case "table":
                return self._table.data_ptr(), width, 0
            case "ids" | "numbers":
                return tensors[buffer.kind, ""].data_ptr(), 1, batch
        shape = (width,) if buffer.span == "vector" else (batch, width)
        made = tensors.setdefault((buffer.kind, buffer.name), torch.empty(shape, dtype=self._table.dtype, device="cpu"))
        return made.data_ptr(), 0 if buffer.span == "vector" else width, 0
