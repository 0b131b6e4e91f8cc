"""A language model reads a text: what each unit was at each symbol, and what the model expected. Knows ids only."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from unrolled.engine import State
from unrolled.inspection.tracing import Recorder
from unrolled.models import LanguageModel, evaluating

Model = TypeVar("Model", bound=nn.Module)

_AT_ONCE = 4096  # characters


@dataclass(frozen=True)
class Expected:
    """What a model expected of a text of N symbols.

    guesses, chances: the symbols that it expects next, the likeliest first, and their probabilities, `[N, K]`. nats:
    what the symbol that came cost, `[N]`; the first one is unexpected: its own cost is NaN.
    """

    guesses: Tensor
    chances: Tensor
    nats: Tensor


@dataclass(frozen=True)
class Read:
    """What was seen while a text of N symbols was read: `values`, address -> `[N, U]`, after each symbol."""

    values: dict[str, Tensor]
    expected: Expected


@torch.no_grad()
def read(
    model: LanguageModel,
    ids: Tensor,
    names: Sequence[str] | None = None,
    *,
    guesses: int = 5,
) -> Read:
    """Let a model read ids `[N]` in one stream, from states of zero.

    Args:
        model: in evaluation while it reads, whatever its mode.
        ids: what it reads.
        names: addresses of what is recorded, as `trace` has them; None: all named values.
        guesses: K.

    Raises:
        AddressError: there is no such value.
    """
    values: dict[str, list[Tensor]] = defaultdict(list)
    told: list[tuple[Tensor, Tensor, Tensor]] = []
    state: State | None = None
    done = 0
    with evaluating(model):
        for piece in torch.split(ids, _AT_ONCE):
            recorder = Recorder(model, names)
            with recorder.recording():
                logits, state = model(piece[:, None].to(model.device), state)
            for address, value in recorder.trace().items():
                values[address].append(value.as_subclass(Tensor)[:, 0].float().cpu().clone())
            shares = logits[:, 0].float().log_softmax(dim=-1).cpu()
            after = ids[done + 1 : done + len(piece) + 1]
            nats = -shares[: len(after)].gather(1, after[:, None].long())[:, 0]
            best = shares.topk(min(guesses, shares.shape[1]), dim=-1)
            told.append((best.indices, best.values.exp(), nats))
            done += len(piece)
    indices, chances, nats = (torch.cat([one[place] for one in told]) for place in range(3))
    nats = torch.cat([nats.new_full((1,), torch.nan), nats])
    whole = {address: torch.cat(parts) for address, parts in values.items()}
    return Read(whole, Expected(indices, chances, nats))


@torch.no_grad()
def untrained(model: Model, seed: int) -> Model:
    """A network of the same shape with fresh weights.

    What no `reset_parameters` draws again is mixed: the same numbers, in another order.
    """
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        for before, parameter in zip(model.parameters(), fresh.parameters(), strict=True):
            if torch.equal(before, parameter):
                mixed = torch.randperm(parameter.numel()).to(parameter.device)
                parameter.copy_(parameter.flatten()[mixed].view_as(parameter))
    return fresh
