"""Letting a model write: one symbol after the other. Knows ids; no characters, no screen."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from unrolled.data import Ids
from unrolled.engine import State
from unrolled.generation.strategies import Strategy
from unrolled.models import LanguageModel


@torch.no_grad()
def generate(
    model: LanguageModel, prompt: Ids, length: int, strategy: Strategy, generator: torch.Generator
) -> Iterator[int]:
    """The ids that the model writes after the prompt, one by one.

    Without a prompt the first id is drawn evenly from the vocabulary, as in char-rnn. Dropout is off while the
    model writes; it is left in the mode it was in.
    """
    device = model.read_out.weight.device
    was_training = model.training
    model.eval()
    try:
        state: State | None = None
        if len(prompt) == 0 and length > 0:
            prompt = torch.randint(model.config.vocab_size, (1,), generator=generator).numpy()
            yield int(prompt[0])
            length -= 1
        for one in prompt:
            logits, state = model.step(torch.tensor([int(one)], device=device), state)
        for _ in range(length):
            chosen = strategy.choose(logits.cpu(), generator)
            yield int(chosen)
            logits, state = model.step(chosen.to(device), state)
    finally:
        model.train(was_training)
