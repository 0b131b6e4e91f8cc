"""Letting a model write: one symbol after the other. Knows ids; no characters, no screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from unrolled.data import Ids
from unrolled.engine import Chosen, Decoder, Precision, State, check_precision, obstacle_to_freezing
from unrolled.errors import GenerationError
from unrolled.generation.strategies import Strategy, not_finite
from unrolled.models import LanguageModel, evaluating

_AT_ONCE = 64  # symbols that are written before anyone sees them
_READ_AT_ONCE = 256  # symbols of a prompt

# From logits [B, V], states and numbers [N, B] to ids [N, B], the next logits and states: see engine.Decoder.write.
Write = Callable[[Tensor, State, Tensor], tuple[Tensor, Tensor, State]]


@torch.no_grad()
def generate(
    model: LanguageModel,
    prompt: Ids,
    length: int,
    strategy: Strategy,
    generator: torch.Generator,
    precision: Precision = "float32",
) -> Iterator[int]:
    """The ids that the model writes after the prompt `[P]`, one by one, `length` in all.

    Without a prompt the first id is drawn evenly from the vocabulary, as in char-rnn. Dropout is off. The model is
    read once, when the first id is asked for, and between two ids it is in the mode in which it was. `precision`:
    of the matrices, see `engine.Decoder`.

    Raises:
        GenerationError: the model's logits are no finite numbers.
        ConfigError: the precision is not the model's own, and the native engine cannot run it.
    """
    if length <= 0:
        return
    write = writer(model, strategy, precision)
    if len(prompt) == 0:
        prompt = torch.randint(model.config.vocab_size, (1,), generator=generator).numpy()
        yield int(prompt[0])
        length -= 1
    logits, state = _read(model, torch.as_tensor(prompt.astype("int64")))
    while length > 0:
        # (as many for each row as there are left, so that the draws are the same however many are made at once)
        numbers = torch.rand((min(length, _AT_ONCE), 1), dtype=torch.float64, generator=generator)
        ids, logits, state = write(logits, state, numbers)
        for one in ids[:, 0].tolist():
            if one < 0:
                raise not_finite()
            yield one
        length -= len(ids)


def _read(model: LanguageModel, prompt: Tensor) -> tuple[Tensor, State]:
    """The logits `[1, V]` after the prompt `[P]`, and the states."""
    state: State | None = None
    with evaluating(model):
        for piece in torch.split(prompt, _READ_AT_ONCE):
            logits, state = model(piece.to(model.device)[:, None], state)
    assert state is not None, "a prompt has a symbol"
    return logits[-1], state


def writer(model: LanguageModel, strategy: Strategy, precision: Precision = "float32") -> Write:
    """What lets the model write: the engine where it can, else the model itself, step by step.

    The engine keeps the weights as they are now.

    Raises:
        ConfigError: the precision is not the model's own, and the native engine cannot run it.
    """
    layers, table = model.rnn.layers(), model.table()
    read_out = model.read_out
    reason = obstacle_to_freezing(layers, [table, read_out.weight, read_out.bias])
    check_precision(precision, table.dtype, reason)
    if reason:
        return _step_by_step(model, strategy)
    top_k = min(strategy.top_k or 0, len(table))  # (the engine counts in 32 bits)
    chosen = Chosen(strategy.temperature, top_k, 1.0 if strategy.top_p is None else strategy.top_p)
    return Decoder(layers, table, read_out.weight, read_out.bias, chosen, precision).write


def _step_by_step(model: LanguageModel, strategy: Strategy) -> Write:
    def write(logits: Tensor, state: State, numbers: Tensor) -> tuple[Tensor, Tensor, State]:
        ids = torch.full(numbers.shape, -1)
        for step, row in enumerate(numbers):
            try:
                ids[step] = strategy.choose(logits.cpu(), row)
            except GenerationError:
                break
            with evaluating(model), torch.no_grad():
                logits, state = model.step(ids[step].to(model.device), state)
        return ids, logits, state

    return write
