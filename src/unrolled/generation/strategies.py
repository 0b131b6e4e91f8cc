"""Strategies: from logits to the next id. Pure functions; they know no models and no text."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.errors import ConfigError, GenerationError


def not_finite() -> GenerationError:
    """What is to be said of logits by which no symbol can be chosen."""
    return GenerationError(
        "the model's logits are not finite numbers, so no symbol can be chosen by them: its weights, or the states that"
        " they lead to, are not usable"
    )


@dataclass(frozen=True)
class Strategy:
    """How the next symbol is chosen from the logits.

    Args:
        temperature: divides the logits: below 1 more predictable, above 1 more varied; 0 always takes the
            most likely.
        top_k: only the k most likely symbols are considered.
        top_p: only the most likely symbols that together have at least this probability are (Holtzman et al.
            2020); at least one.

    Raises:
        ConfigError: a number out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(f"temperature {self.temperature}: give 0 (the most likely symbol) or a number above it")
        if self.top_k is not None and (type(self.top_k) is not int or self.top_k < 1):
            raise ConfigError(f"top-k {self.top_k}: give a whole number of symbols, 1 or more")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top-p {self.top_p}: give a probability above 0, at most 1")

    def probabilities(self, logits: Tensor) -> Tensor:
        """The probabilities `[..., V]` with which a symbol is chosen, from logits `[..., V]`.

        Raises:
            GenerationError: a row with NaN, infinity, or no finite logit.
        """
        logits = logits.double()
        best = logits.argmax(dim=-1, keepdim=True)  # of a row with NaN, the NaN
        if not bool(logits.gather(-1, best).isfinite().all()):
            raise not_finite()
        if self.temperature == 0:
            return torch.zeros_like(logits).scatter(-1, best, 1.0)
        # the best logit becomes 0 first, so that no temperature, however small, overflows
        logits = (logits - logits.gather(-1, best)) / self.temperature
        if self.top_k is not None:
            logits = _keep_top_k(logits, self.top_k)
        probabilities = logits.softmax(dim=-1)
        return probabilities if self.top_p is None else _keep_top_p(probabilities, self.top_p)

    def choose(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """One id for each row: logits `[B, V]`, numbers `[B]` from 0 to below 1, ids `[B]` int64.

        The symbols are laid side by side, each as wide as it is likely; a row's number says how far along them, as a
        share of the whole, the chosen one lies.

        Raises:
            GenerationError: a row with NaN, infinity, or no finite logit.
        """
        probabilities = self.probabilities(logits)
        if self.temperature == 0:
            return probabilities.argmax(dim=-1)
        ends = probabilities.cumsum(dim=-1)
        found = (ends <= numbers[:, None] * ends[:, -1:]).sum(dim=-1)
        places = torch.arange(logits.shape[-1], device=logits.device)
        last = places.where(probabilities > 0, 0).amax(dim=-1)  # for a number that rounding put at the very end
        return torch.minimum(found, last)


def _keep_top_k(logits: Tensor, k: int) -> Tensor:
    ranked = logits.sort(dim=-1, descending=True, stable=True)  # of equals the first is kept
    kept = ranked.indices[..., :k]
    return torch.full_like(logits, -torch.inf).scatter(-1, kept, ranked.values[..., :k])


def _keep_top_p(probabilities: Tensor, p: float) -> Tensor:
    ranked = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ranked.values.cumsum(dim=-1) - ranked.values  # what the more likely symbols have together
    kept = ranked.values.where(before < p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, ranked.indices, kept / kept.sum(dim=-1, keepdim=True))
