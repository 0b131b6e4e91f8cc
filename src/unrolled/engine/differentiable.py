"""The engine under autograd: its backward program is the derivative of its forward one. Knows no layers.

The engine has no derivative of the derivative, and takes one gradient at a time. Where more is asked for
(`create_graph=True`, `is_grads_batched=True`), the sequence is run again on the reference, and autograd differentiates
that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.engine.choice import elsewhere
from unrolled.engine.masks import Masks
from unrolled.engine.native import Sequences, Trace
from unrolled.engine.recording import Recording
from unrolled.engine.reference import Reference, State


class _Call(NamedTuple):
    """What a run is about, besides the tensors that have gradients."""

    reference: Reference
    sequences: Sequences
    states: tuple[str, ...]
    masks: Masks
    noise: Sequence[Tensor]
    reverse: bool
    recording: Recording | None


class Differentiable:
    """A compiled graph, differentiable by autograd."""

    def __init__(self, reference: Reference, sequences: Sequences) -> None:
        self.reference = reference
        self.sequences = sequences

    def run(
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
        """The output `[T, B, width]` and the states after the last step."""
        state = {one.name: state[one.name] for one in self.reference.graph.states}
        call = _Call(self.reference, self.sequences, tuple(state), masks, noise, reverse, recording)
        if self.sequences.compiled.backward is None:
            output, after, _ = _forward(call, x, list(state.values()), parameters)
            return output, after
        output, *finals = _Run.apply(call, x, *state.values(), *parameters)  # type: ignore[no-untyped-call]
        return output, dict(zip(state, finals, strict=True))


def _forward(
    call: _Call, x: Tensor, states: Sequence[Tensor], parameters: Sequence[Tensor]
) -> tuple[Tensor, State, Trace]:
    output, after, trace = call.sequences.forward(
        x.contiguous(),
        dict(zip(call.states, states, strict=True)),
        [one.contiguous() for one in parameters],
        call.masks,
        call.noise,
        reverse=call.reverse,
        threads=torch.get_num_threads(),
    )
    if call.recording is not None:
        call.recording.take(call.sequences.recorded(trace), call.masks.get("valid"))
    return output, after, trace


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: _Call, x: Tensor, *arrays: Tensor) -> tuple[Tensor, ...]:
        count = len(call.states)
        output, after, trace = _forward(call, x, arrays[:count], arrays[count:])
        ctx.call, ctx.trace = call, trace
        # own tensors on the same memory: views of a tensor that nobody sees could not be changed in place
        results = [_own(output), *(_own(value) for value in after.values())]
        ctx.arrays = len(arrays)
        ctx.save_for_backward(x, *arrays, results[0], *call.masks.values(), *call.noise)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        call: _Call = ctx.call
        x, *saved = ctx.saved_tensors  # (refuses what was changed in place)
        arrays = saved[: ctx.arrays]
        many = any(map(torch._C._functorch.is_legacy_batchedtensor, gradients))
        if torch.is_grad_enabled() or many or any(map(elsewhere, gradients)):
            return (None, *_again(call, [x, *arrays], gradients, None if many else call.recording))
        of_output, *of_after = gradients
        is_last = not torch._C._autograd._get_current_graph_task_keep_graph()
        found = call.sequences.backward(
            ctx.trace,
            _plain(of_output),
            dict(zip(call.states, map(_plain, of_after), strict=True)),
            threads=torch.get_num_threads(),
            is_last=is_last and call.recording is None,
        )
        if is_last:
            ctx.trace = None  # whoever still holds a result does not hold what was kept for it
        if call.recording is not None:
            call.recording.take_gradients(found.values)
        return (None, found.input, *(found.before[name] for name in call.states), *found.parameters)


def _own(value: Tensor) -> Tensor:
    """The same memory, as a tensor that is no view."""
    return torch.empty(0, dtype=value.dtype, device="cpu").set_(
        value.untyped_storage(), value.storage_offset(), value.shape, value.stride()
    )


def _plain(gradient: Tensor) -> Tensor:
    """A gradient as numbers that lie in memory in their order; autograd and hooks may hand on any kind of tensor."""
    if gradient.is_contiguous() and not gradient.is_neg() and not gradient._is_zerotensor():
        return gradient
    return torch.empty(gradient.shape, dtype=gradient.dtype, device="cpu").copy_(gradient)


def _again(
    call: _Call, arrays: Sequence[Tensor], gradients: Sequence[Tensor], recording: Recording | None
) -> list[Tensor | None]:
    """The gradients as functions that can be differentiated again, or of many gradients at once."""
    count = len(call.states)
    x, states, parameters = arrays[0], arrays[1 : 1 + count], arrays[1 + count :]
    with torch.enable_grad():
        output, after = call.reference.run_masked(
            x,
            dict(zip(call.states, states, strict=True)),
            parameters,
            call.masks,
            call.noise,
            reverse=call.reverse,
            recording=recording,
        )
    wanted = [one for one in arrays if one.requires_grad]
    results = [pair for pair in zip((output, *after.values()), gradients, strict=True) if pair[0].requires_grad]
    found = torch.autograd.grad(
        [one for one, _ in results], wanted, [one for _, one in results], create_graph=True, allow_unused=True
    )
    by_place = iter(found)
    return [next(by_place) if one.requires_grad else None for one in arrays]
