"""The task "text": a language model learns streams of ids, its states carried from chunk to chunk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.data import PADDING, Streams
from unrolled.engine import State
from unrolled.models import LanguageModel, evaluating
from unrolled.training.task import Evaluation, StepLoss


class TextTask:
    """Truncated backpropagation through time over streams of text.

    Args:
        model: what learns.
        streams: what it learns from.
        held_out: what it is tested on, each from states of zero, in chunks of their own; none: no evaluations.
        keep_state: carry the states over the end of a text, too (char-rnn does).
    """

    def __init__(
        self, model: LanguageModel, streams: Streams, held_out: list[Streams], *, keep_state: bool = False
    ) -> None:
        self.model = model
        self.streams = streams
        self.held_out = held_out
        self.keep_state = keep_state
        self.steps_per_epoch = streams.chunks
        self.has_held_out = bool(held_out)
        self.loss_of_guessing = math.log(model.config.vocab_size)
        self.carried: State = model.rnn.zero_state(streams.batch_size)

    def loss(self, step: int) -> StepLoss:
        """The loss of the chunk of that step, counted on through the epochs."""
        chunk = self.streams.chunk(step)
        device = self.model.device
        starts = torch.zeros_like(chunk.starts) if self.keep_state and step else chunk.starts
        before = _fresh_where(starts.to(device), self.carried)
        logits, after = self.model(chunk.ids.to(device), before)
        nats = chunk_loss(logits, chunk.targets.to(device))
        return StepLoss(nats, len(chunk.ids), chunk.ids.numel(), after)

    def evaluate(self, should_stop: Callable[[], bool] = lambda: False) -> Evaluation | None:
        """Mean nats per token of what is held out; None if it was told to stop. Leaves `carried` alone."""
        nats = mean_nats(self.model, self.held_out, should_stop)
        return None if nats is None else Evaluation(nats)


def chunk_loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Nats per token (or their sum) of logits `[T, B, V]` against targets `[T, B]`, padding left out."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=PADDING, reduction=reduction)


@torch.no_grad()
def mean_nats(
    model: LanguageModel, texts: Sequence[Streams], should_stop: Callable[[], bool] = lambda: False
) -> float | None:
    """Mean nats per token of every target of the texts; None if it was told to stop, NaN if there is none.

    Each text is read from states of zero, carried along its streams. Dropout is off. The model is left in the
    mode it was in.
    """
    total, count = 0.0, 0
    with evaluating(model):
        for streams in texts:
            state: State | None = None
            for number in range(streams.chunks):
                if should_stop():
                    return None
                chunk = streams.chunk(number)
                logits, state = model(chunk.ids.to(model.device), state)
                total += float(chunk_loss(logits, chunk.targets.to(model.device), reduction="sum"))
                count += int((chunk.targets != PADDING).sum())
    return total / count if count else math.nan


def _fresh_where(starts: Tensor, state: State) -> State:
    """The states `[L, B, width]`, zero in the rows that start a text."""
    return {name: values.masked_fill(starts[None, :, None], 0.0) for name, values in state.items()}
