"""What a model says, and what it would say without rounding. Knows neither its parts nor ONNX."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from unrolled.exporting.function import Arrays, Trial

Answer = Mapping[str, Tensor]  # outputs, by their names
Model = TypeVar("Model", bound=nn.Module)


class Oracle(Generic[Model]):
    """A model in evaluation, and the same in float64.

    `say`: what a model says at each of some calls, of inputs `[T, B, ...]` and lengths `[B]`.
    """

    def __init__(self, model: Model, say: Callable[[Model, Tensor, Tensor], list[Answer]]) -> None:
        self.model = model
        self.say = say

    @cached_property
    def exact(self) -> Model:
        """The model in float64: a copy."""
        return copy.deepcopy(self.model).double()

    @torch.no_grad()
    def trials(self, given: Sequence[Answer], inputs: Tensor, lengths: Tensor) -> list[Trial]:
        """What is given at each call, beside what the model says then."""
        wide = inputs.double() if inputs.is_floating_point() else inputs
        said = self.say(self.model, inputs, lengths), self.say(self.exact, wide, lengths)
        return [Trial(*map(_arrays, one)) for one in zip(given, *said, strict=True)]


def _arrays(values: Answer) -> Arrays:
    return {name: value.numpy() for name, value in values.items()}
