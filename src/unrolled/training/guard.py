"""Numbers that are not finite: noticed before they reach the weights, and named. Knows modules and tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.engine import State
from unrolled.training.optim import Optimizer
from unrolled.training.task import StepLoss


class Guard:
    """Looks over everything that an update is made of."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self.model = model
        self.optimizer = optimizer
        self._before: dict[str, Tensor] = {}

    def remember(self) -> None:
        """Keep what a forward pass changes beside the gradients (running means): a step that fails leaves it alone."""
        self._before = {name: one.detach().clone() for name, one in self.model.named_buffers()}

    def restore(self) -> None:
        """Put back what `remember` kept."""
        with torch.no_grad():
            for name, one in self.model.named_buffers():
                one.copy_(self._before[name])

    def all_finite(self, after: State) -> bool:
        """Whether the weights, what the optimiser remembers, and the states to go on from are finite numbers."""
        kept = [*self.model.parameters(), *(one for one in self.model.buffers() if one.is_floating_point())]
        return all_finite([*kept, *self.optimizer.tensors().values(), *after.values()])

    def where(self, carried: State, made: StepLoss | None = None, again: Callable[[], StepLoss] | None = None) -> str:
        """What is not a finite number, named; the causes before what follows from them.

        `again` makes the loss once more, to see which part of the model is the first to give such a number.
        """
        causes = [
            *_named("the weights", dict(self.model.named_parameters())),
            *_named("the carried state", carried),
            *_named("the optimiser's", self.optimizer.tensors()),
        ]
        if causes:
            return _told(causes)
        output = first_bad_output(self.model, again) if again is not None else None
        if output is not None:
            return output
        gradients = {name: one.grad for name, one in self.model.named_parameters() if one.grad is not None}
        followed = [*_named("the gradient of", gradients), *_named("the new state", {} if made is None else made.after)]
        return _told(followed) if followed else "the loss is not a finite number"


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether every element of every tensor is a finite number; without a copy of them."""
    filled = [one.detach() for one in tensors if one.numel()]
    # the norm is fast, and finite only if every element is; where squares overflow, the largest element decides
    return not filled or _are_finite(torch._foreach_norm(filled)) or _are_finite(torch._foreach_norm(filled, torch.inf))


def _are_finite(numbers: Sequence[Tensor]) -> bool:
    return bool(torch.stack([one.double() for one in numbers]).isfinite().all())


def first_bad_output(model: nn.Module, forward: Callable[[], Any]) -> str | None:
    """Which part of the model is the first to give a number that is not finite, and at which time step.

    Outputs are taken to be `[T, B, ...]`, alone or the first of a tuple.
    """
    found: list[str] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if not found and isinstance(first, Tensor) and not bool(first.isfinite().all()):
                found.append(f"the output of {name} is not finite {_when(first)}")

        return hook

    handles = [part.register_forward_hook(look(name or "the model")) for name, part in model.named_modules()]
    try:
        with torch.no_grad():
            forward()
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _named(what: str, tensors: Mapping[str, Tensor]) -> Iterator[str]:
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            yield f"{what} {name}"


def _told(names: list[str]) -> str:
    """`"the weights rnn.layer0.bias_h (and 2 others) are not finite numbers"`."""
    others = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{names[0]}{others}: not finite"


def _when(output: Tensor) -> str:
    """`"from time step 3 of 64 on"`."""
    bad = ~output.isfinite().flatten(1).all(dim=1) if output.dim() > 1 else ~output.isfinite()
    return f"from time step {int(bad.nonzero()[0])} of {len(output)} on"
