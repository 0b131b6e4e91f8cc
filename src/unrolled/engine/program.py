"""A graph in a layer of given sizes, run by whichever engine can: the seam between layers and engines.

Knows no layers, and owns no parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from unrolled.engine.choice import autocast_dtype, obstacle, wish
from unrolled.engine.compiled import Compiled, Variant, compiled
from unrolled.engine.differentiable import Differentiable
from unrolled.engine.levels import level
from unrolled.engine.masks import masks_of, without_padding
from unrolled.engine.native import Sequences
from unrolled.engine.noise import Noise, Source, draw
from unrolled.engine.opaque import opaque
from unrolled.engine.recording import Recording
from unrolled.engine.reference import Reference, State
from unrolled.equations import Graph, Width, expectation
from unrolled.equations.operations import PER_STEP
from unrolled.errors import ConfigError


class Program:
    """Runs a graph.

    Shapes: x `[B, D]` or `[T, B, D]`, each state `[B, width]`, parameters as `parameter_shapes` in their order.
    `noise`: what is drawn for the graph's noise leaves, in the order of their slots; in layer 0.
    """

    def __init__(self, graph: Graph, input_size: int, hidden_size: int) -> None:
        self.graph = graph
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.reference = Reference(graph, input_size, hidden_size)
        self._parameter_shapes = self.reference.parameter_shapes()
        self._state_widths = {one.name: self.resolve(one.width) for one in graph.states}
        self.noise = tuple(self._sources())
        self._expected: Program | None = None
        self._sequences: dict[tuple[Variant, torch.dtype, torch.dtype | None, str], Sequences | str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Program, (self.graph, self.input_size, self.hidden_size)

    def _sources(self) -> Iterator[Source]:
        for node in self.graph.noise:
            told = node.attributes
            if node.width is not None:
                width, is_per_step = self.resolve(node.width), told["per"] == PER_STEP
                yield Source(width, told["probability"], told["mean"], is_per_step, told["slot"])

    @property
    def expected(self) -> Program:
        """What runs in evaluation: the same without noise."""
        if not self.noise:
            return self
        if self._expected is None:
            self._expected = Program(expectation(self.graph), self.input_size, self.hidden_size)
        return self._expected

    @opaque
    def draw(self, noise: Noise, layer: int, steps: int, batch: int, like: Tensor) -> list[Tensor]:
        """The noise of a run of the layer with that number: for each leaf `[T, B, width]`, or `[B, width]`."""
        like = like if autocast_dtype(like) is None else like.float()  # (as `run` has its input)
        return [draw(source.of_layer(layer), noise, steps, batch, like) for source in self.noise]

    def resolve(self, width: Width) -> int:
        """A width in units."""
        return width.resolve(self.input_size, self.hidden_size)

    def parameter_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each parameter, in the order of the slots."""
        return self.reference.parameter_shapes()

    @opaque
    def run(
        self,
        x: Tensor,
        state: State,
        parameters: Sequence[Tensor],
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        reverse: bool = False,
        noise: Sequence[Tensor] | None = None,
        recording: Recording | None = None,
    ) -> tuple[Tensor, State]:
        """All steps of a sequence; arguments and results are those of `Reference.run`. Without noise: its mean.

        Under `torch.autocast` in bfloat16 the engine multiplies matrices, and adds up their gradients, from numbers
        rounded to bfloat16; sums, states and all else stay float32.

        Raises:
            ConfigError: the native engine is asked for, and cannot run this.
        """
        if noise is None and self.noise:
            return self.expected.run(
                x, state, parameters, lengths=lengths, reset=reset, reverse=reverse, recording=recording
            )
        noise = noise or ()
        if autocast_dtype(x) is not None:
            x, state = x.float(), {name: value.float() for name, value in state.items()}
        needs_gradients = torch.is_grad_enabled() and any(
            one.requires_grad for one in (x, *state.values(), *parameters)
        )
        variant = Variant(
            reset is not None,
            lengths is not None,
            needs_gradients,
            needs_gradients and x.requires_grad,
            () if recording is None else recording.names,
            needs_gradients and recording is not None and recording.with_gradients,
        )
        found = self._native(x, [*state.values(), *parameters, *noise], variant, (lengths, reset))
        if isinstance(found, str) or not self._fits(x, state, parameters, noise, lengths, reset):
            return self.reference.run(
                x, state, parameters, lengths=lengths, reset=reset, reverse=reverse, noise=noise, recording=recording
            )
        masks = masks_of(len(x), lengths, reset, reverse=reverse)
        if lengths is not None:
            x = without_padding(x, lengths)
        return Differentiable(self.reference, found).run(
            x, state, parameters, masks, noise, reverse=reverse, recording=recording
        )

    def plan(self, x: Tensor, others: Sequence[Tensor]) -> str:
        """Which engine would run on tensors like these: "native, avx512", or "reference: " and why.

        Under autocast "native, avx512bf16, matrices in bfloat16".

        Raises:
            ConfigError: the native engine is asked for, and cannot run this.
        """
        found = self._native(x, others, Variant())
        if isinstance(found, str):
            return f"reference: {found}"
        return f"native, {level()}" + ("" if autocast_dtype(x) is None else ", matrices in bfloat16")

    def forward_program(self, like: Tensor, parameters: Sequence[Tensor]) -> Compiled | str:
        """What the engine runs on a sequence of tensors like these, without gradients or noise; or why it cannot.

        Raises:
            ConfigError: the native engine is asked for, and cannot run this.
        """
        if [one.shape for one in parameters[: len(self._parameter_shapes)]] != self._parameter_shapes:
            return "a parameter has another shape than the cell's"
        found = self.expected._native(like, parameters, Variant())
        return found if isinstance(found, str) else found.compiled

    def _native(
        self, x: Tensor, others: Sequence[Tensor], variant: Variant, masks: Sequence[Tensor | None] = ()
    ) -> Sequences | str:
        """What runs it in the engine, or why it has to be the reference."""
        wanted = wish()
        if wanted == "reference":
            return "the reference was asked for"
        found: Sequences | str = obstacle(x, others, masks) or self._compiled(variant, x.dtype, autocast_dtype(x))
        if isinstance(found, str) and wanted == "native":
            raise ConfigError(f"the native engine cannot run this: {found}. Use the engine 'auto' or 'reference'")
        return found

    def _fits(
        self,
        x: Tensor,
        state: State,
        parameters: Sequence[Tensor],
        noise: Sequence[Tensor],
        lengths: Tensor | None,
        reset: Tensor | None,
    ) -> bool:
        """Whether all shapes are as they should be: the engine reads memory by them. What is not, torch tells."""
        batch = x.shape[1:2]
        drawn = [(*(x.shape[:2] if one.is_per_step else batch), one.width) for one in self.noise]
        return (
            [one.shape for one in noise] == drawn
            and [one.shape for one in parameters] == self._parameter_shapes
            and {name: one.shape for name, one in state.items()}
            == {name: (*batch, width) for name, width in self._state_widths.items()}
            and x.shape[2:] == (self.input_size,)
            and (lengths is None or lengths.shape == batch)
            and (reset is None or reset.shape == x.shape[:2])
        )

    def _compiled(self, variant: Variant, dtype: torch.dtype, matrices: torch.dtype | None) -> Sequences | str:
        key = variant, dtype, matrices, level()
        if key not in self._sequences:
            self._sequences[key] = _shared(self.graph.to_json(), self.input_size, self.hidden_size, *key)
        return self._sequences[key]


@lru_cache(maxsize=1024)
def _shared(
    written: str,
    input_size: int,
    hidden_size: int,
    variant: Variant,
    dtype: torch.dtype,
    matrices: torch.dtype | None,
    _level: str,
) -> Sequences | str:
    """What runs a graph, given as its JSON, at the level in use: layers that are alike share it."""
    made = compiled(Graph.from_json(written), input_size, hidden_size, variant)
    return made.reason if made.forward is None else Sequences(made, dtype, matrices)
