"""How far what a model predicts is from what simpler models do. Knows arrays of probabilities, no models.

Karpathy, Johnson & Fei-Fei 2015 (Visualizing and Understanding Recurrent Networks), section 4.3: as training goes on, a
network comes close to n-gram models of ever longer n, and leaves them behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unrolled.errors import ShapeError
from unrolled.inspection.ngram import Floats


def divergences(log_probs: Any, others: Mapping[int, Any]) -> dict[int, float]:
    """The symmetric Kullback-Leibler divergence between a model's predictions and those of others, mean nats a place.

    It is KL(p, q) + KL(q, p), the sum over all symbols of (p - q) (log p - log q): 0 where both are the same, infinite
    where one gives nothing to what the other expects.

    Args:
        log_probs: the model's log p, `[N, V]`.
        others: n -> q, `[N, V]`.

    Raises:
        ShapeError: other shapes, or no place.
    """
    log_p: Floats = np.asarray(log_probs, dtype=np.float64)
    if log_p.ndim != 2 or not log_p.size:
        raise ShapeError(f"log_probs have shape {list(log_p.shape)}: give [N, V], a row for each place")
    return {n: _mean(log_p, np.asarray(q, dtype=np.float64), n) for n, q in others.items()}


def _mean(log_p: Floats, q: Floats, n: int) -> float:
    if q.shape != log_p.shape:
        raise ShapeError(f"the probabilities of {n} have shape {list(q.shape)}, log_probs {list(log_p.shape)}")
    p = np.exp(log_p)
    log_q = np.log(q, out=np.full_like(q, -np.inf), where=q > 0)
    between = np.subtract(log_p, log_q, out=np.zeros_like(q), where=p != q)
    return float(((p - q) * between).sum(axis=1).mean())
