"""The work that is timed: a sequence forward, and back to the gradients of x and of every parameter. Knows no peers.

One layer, as wide as its input. Shapes: x `[T, B, D]`, each state `[B, width]`. The states before the first step are
random, and constants; the gradient of the output is random too, and given, so that no loss is part of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.measure import Answer
from unrolled import Recurrent, use_engine
from unrolled.engine import State

# x, the states, the parameters in the order of the slots: the output and the states after the last step
Sequential = Callable[[Tensor, State, Sequence[Tensor]], tuple[Tensor, State]]


@dataclass(frozen=True)
class Work:
    """Inputs of one type: what a peer is given."""

    x: Tensor
    state: State
    parameters: Mapping[str, Tensor]
    of_output: Tensor

    def to(self, dtype: torch.dtype) -> Work:
        """The same numbers in another type."""
        return Work(
            self.x.detach().to(dtype).requires_grad_(),
            {name: value.to(dtype) for name, value in self.state.items()},
            {name: value.detach().to(dtype).requires_grad_() for name, value in self.parameters.items()},
            self.of_output.to(dtype),
        )

    def answer(self, run: Sequential) -> Answer:
        """What a loop over the sequence computes, and its gradients."""
        output, after = run(self.x, self.state, list(self.parameters.values()))
        return answer_of(output, after, {"x": self.x, **self.parameters}, self.of_output)


def answer_of(output: Tensor, after: State, leaves: Mapping[str, Tensor], of_output: Tensor) -> Answer:
    """An output, the last states and the gradients, by their names."""
    gradients = torch.autograd.grad(output, list(leaves.values()), of_output)
    named = {f"gradient of {name}": value for name, value in zip(leaves, gradients, strict=True)}
    return {"output": output.detach(), **{f"last {name}": value.detach() for name, value in after.items()}, **named}


def work_for(layer: Recurrent, steps: int, batch: int) -> Work:
    """Random inputs for a layer of one cell, with the layer's own parameters."""
    program, values = layer.layers()[0]
    state = {one.name: torch.rand(batch, program.resolve(one.width)) + 0.5 for one in layer.graph.states}
    x = torch.randn(steps, batch, layer.input_size, requires_grad=True)
    names = [one.name for one in layer.graph.parameters]
    return Work(x, state, dict(zip(names, values, strict=True)), torch.randn(steps, batch, layer.output_size))


def by_layer(layer: Recurrent) -> Sequential:
    """The layer itself, on whichever engine is chosen; its parameters are those of the work."""

    def run(x: Tensor, state: State, _: Sequence[Tensor]) -> tuple[Tensor, State]:
        output, after = layer(x, {name: value.unsqueeze(0) for name, value in state.items()})
        return output, {name: value.squeeze(0) for name, value in after.items()}

    return run


def by_reference(layer: Recurrent) -> Sequential:
    """The layer's graph in the reference: step by step in torch."""
    reference = layer.layers()[0][0].reference
    return lambda x, state, parameters: reference.run(x, state, parameters)


def truth(layer: Recurrent, work: Work) -> Answer:
    """The reference's answer in float64."""
    return work.to(torch.float64).answer(by_reference(layer))


def on_reference(run: Callable[[], Answer]) -> Answer:
    """The answer with the engine switched off."""
    with use_engine("reference"):
        return run()


def operations(matrices: Iterable[tuple[int, ...]], steps: int, batch: int) -> float:
    """Floating-point operations, forward and backward: every product once, and twice more for its two gradients."""
    return 3.0 * 2 * steps * batch * sum(rows * columns for rows, columns in matrices)


def matrices_of(layer: Recurrent) -> list[tuple[int, ...]]:
    """The shapes of the matrices of a step, once for each product."""
    ((_, parameters),) = layer.layers()
    nodes = layer.graph.nodes
    slots = [nodes[node.operands[1]].attributes["slot"] for node in nodes if node.operation == "linear"]
    return [tuple(parameters[slot].shape) for slot in slots]
