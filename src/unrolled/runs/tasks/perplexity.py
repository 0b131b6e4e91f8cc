"""Nats as a number of choices. Knows no data."""

from __future__ import annotations

import math

_LARGEST = 700.0  # e to the power of more is no float


def perplexity_of(nats: float) -> float:
    """E to the power of so many nats: between how many equally likely choices they would be as many; or infinity."""
    return math.exp(nats) if nats < _LARGEST else math.inf
