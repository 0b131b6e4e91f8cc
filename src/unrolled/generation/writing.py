"""Letting a model write: one symbol after the other. Knows ids; no characters, no screen."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unrolled.data import Ids
from unrolled.engine import State
from unrolled.generation.strategies import Strategy
from unrolled.models import LanguageModel, evaluating


@torch.no_grad()
def generate(
    model: LanguageModel, prompt: Ids, length: int, strategy: Strategy, generator: torch.Generator
) -> Iterator[int]:
    """The ids that the model writes after the prompt `[P]`, one by one, `length` in all.

    Without a prompt the first id is drawn evenly from the vocabulary, as in char-rnn. Dropout is off at each
    step; between two ids the model is in the mode in which it was.

    Raises:
        GenerationError: the model's logits are no finite numbers.
    """
    if len(prompt) == 0 and length > 0:
        prompt = torch.randint(model.config.vocab_size, (1,), generator=generator).numpy()
        yield int(prompt[0])
        length -= 1
    state: State | None = None
    for one in prompt:
        logits, state = _step(model, torch.tensor([int(one)]), state)
    for left in reversed(range(length)):
        chosen = strategy.choose(logits, generator)
        yield int(chosen)
        if left:
            logits, state = _step(model, chosen, state)


def _step(model: LanguageModel, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
    with evaluating(model):
        logits, state = model.step(ids.to(model.read_out.weight.device), state)
    return logits.cpu(), state
