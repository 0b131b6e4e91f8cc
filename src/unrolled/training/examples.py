"""Independent examples in batches, whatever is learned of them: a class, tags, a translation. Knows no symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from unrolled.data import PADDING, Batches, Examples
from unrolled.engine import State
from unrolled.training.task import Evaluation, StepLoss

ShouldStop = Callable[[], bool]


class Learner(Protocol):
    """A model that learns examples."""

    def losses(self, inputs: Tensor, lengths: Tensor, targets: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Nats for all that is to be said, `[n]`; of classes: for each of the targets `[U, B]`, in that order.

        Maybe with a number beside them, which is added to their mean in what is minimised, and told nowhere: what a
        choice that has no gradient of its own is learned by.
        """
        ...


class ExamplesTask:
    """A model, the examples that it learns, and how it is measured on others.

    Args:
        model: an `nn.Module` that is a `Learner`.
        learned: the examples.
        held_out: those that it is measured on, if any.
        batch_size: B.
        seed: of the order in which examples are read.
        loss_of_guessing: of a model that knows nothing, in nats per target.
        measure: the loss and the scores on what is held out; None if it was told to stop.
        weights: of each kind of target in the loss while training, `[K]`; None: all count the same.
        prepare: is told the number of each step before its loss is computed.
    """

    def __init__(
        self,
        model: nn.Module,
        learned: Examples,
        held_out: Examples | None,
        batch_size: int,
        *,
        seed: int,
        loss_of_guessing: float,
        measure: Callable[[ShouldStop], Evaluation | None],
        weights: Tensor | None = None,
        prepare: Callable[[int], None] | None = None,
    ) -> None:
        self.model = model
        self.learned = learned
        self.held_out = held_out
        self.shown = learned if held_out is None else held_out
        self.carried: State = {}
        self.loss_of_guessing = loss_of_guessing
        self.has_held_out = held_out is not None
        self._measure = measure
        self._weights = weights
        self._prepare = prepare
        self._batches = Batches(learned.inputs.lengths, batch_size, seed)
        self.steps_per_epoch = len(self._batches)

    def loss(self, step: int) -> StepLoss:
        """The mean nats per target of the batch of that step, and what is minimised with them."""
        if self._prepare is not None:
            self._prepare(step)
        batch = self.learned.batch(self._batches.at(step)).to(next(self.model.parameters()).device)
        made = self.model.losses(batch.inputs, batch.lengths, batch.targets)  # type: ignore[operator]
        losses, beside = made if isinstance(made, tuple) else (made, None)
        count = losses.numel()
        if self._weights is not None:
            targets = batch.targets[batch.targets != PADDING]
            weights = self._weights.to(losses)[targets]
            losses = losses * weights * (count / weights.sum())
        nats = losses.mean()
        return StepLoss(nats, 1, count, {}, None if beside is None else nats + beside)

    def evaluate(self, should_stop: ShouldStop) -> Evaluation | None:
        """The loss and the scores on what is held out; None if it was told to stop."""
        return self._measure(should_stop)
