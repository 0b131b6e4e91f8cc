"""What a trainer trains: the seam between the loop and the kinds of work. A task is a model, its data and its loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from unrolled.engine import State


@dataclass(frozen=True)
class StepLoss:
    """One chunk's loss: mean nats per token, over so many steps and tokens, and the states to go on from.

    `objective`: what is minimised, where that is not what is told: nats and what else the gradient has to come from.
    """

    nats: Tensor
    steps: int
    tokens: int
    after: State
    objective: Tensor | None = None

    @property
    def minimised(self) -> Tensor:
        """What the gradient is of."""
        return self.nats if self.objective is None else self.objective


@dataclass(frozen=True)
class Evaluation:
    """What is found on what is held out.

    Attributes:
        nats: the loss, in mean nats per token.
        scores: by name ("accuracy"), the higher the better.
        chosen_by: the name of the score by which the best weights are chosen; None: by the loss.
    """

    nats: float
    scores: Mapping[str, float] = field(default_factory=dict)
    chosen_by: str | None = None

    @property
    def score(self) -> float | None:
        """The score by which the best weights are chosen; None: the loss says it."""
        return None if self.chosen_by is None else self.scores[self.chosen_by]


class Task(Protocol):
    """Everything that the loop needs to know of what is learned.

    `carried` are the states in which the last chunk left the streams; a task whose examples are independent
    has none, `{}`. The loop replaces them after each update.
    """

    carried: State
    steps_per_epoch: int
    has_held_out: bool
    loss_of_guessing: float  # of a model that knows nothing, in mean nats per token

    @property
    def model(self) -> nn.Module:
        """What learns."""
        ...

    def loss(self, step: int) -> StepLoss:
        """The loss of the chunk of that step, from `carried`; a function of these and the weights alone."""
        ...

    def evaluate(self, should_stop: Callable[[], bool]) -> Evaluation | None:
        """The loss and the scores on what is held out; None if it was told to stop."""
        ...
