"""The loss of a language model on a text. Knows no training: its state is its own, and starts from zeros."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.data import PADDING, Ids, Streams
from unrolled.errors import DataError
from unrolled.models import LanguageModel, evaluating

_STREAM = 2_500  # the least length of a stream, so that what a start from zeros costs does not show
_MOST_STREAMS = 64
_CHUNK = 100


def chunk_loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Nats per token (or their sum) of logits `[T, B, V]` against targets `[T, B]`, padding left out."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=PADDING, reduction=reduction)


@torch.no_grad()
def evaluate(model: LanguageModel, ids: Ids, should_stop: Callable[[], bool] = lambda: False) -> float | None:
    """Mean nats per token of every symbol of a text but the first; None if it was told to stop.

    The text is read as up to 64 streams of at least 2,500 symbols, each from states of zero; state is carried
    along a stream. Dropout is off. The model is left in the mode it was in.

    Raises:
        DataError: fewer than two symbols: nothing to predict.
    """
    if len(ids) < 2:
        raise DataError(f"a text of {len(ids)} symbols has none to predict: give at least 2")
    device = model.read_out.weight.device
    streams = Streams(ids, min(_MOST_STREAMS, max(1, len(ids) // _STREAM)), _CHUNK, whole=True)
    state, total = None, 0.0
    with evaluating(model):
        for number in range(streams.chunks):
            if should_stop():
                return None
            chunk = streams.chunk(number)
            logits, state = model(chunk.ids.to(device), state)
            total += float(chunk_loss(logits, chunk.targets.to(device), reduction="sum"))
    return total / (len(ids) - 1)
