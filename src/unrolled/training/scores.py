"""How good predictions are. Pure functions of arrays; they know no models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

_BINS = 10


def confusion(truth: Counts, predicted: Counts, classes: int) -> Counts:
    """How often each class `[K, ...]` was taken for each `[..., K]`: rows are the truth."""
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (truth, predicted), 1)
    return table


def accuracy(table: Counts) -> float:
    """The share that was taken for what it is, from a confusion table."""
    return float(np.trace(table) / max(1, table.sum()))


def f1_of_each(table: Counts) -> Numbers:
    """2 tp / (2 tp + fp + fn) of each class, `[K]`; NaN of one that neither occurs nor is predicted."""
    hits, wanted, given = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    with np.errstate(invalid="ignore"):
        found: Numbers = 2 * hits / (wanted + given)
    return found


def macro_f1(table: Counts) -> float:
    """The mean of the classes' F1, of those that occur or are predicted; each counts the same."""
    found = f1_of_each(table)
    return float(np.nanmean(found)) if not np.isnan(found).all() else 0.0


def calibration_error(probabilities: Numbers, truth: Counts) -> float:
    """How far confidence is from accuracy in the mean (Guo et al. 2017, eq. 3, "ECE", ten bins), 0 to 1.

    probabilities: `[N, K]`. truth: `[N]`.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(right[bins == one].sum() - confidence[bins == one].sum()) for one in range(_BINS)]
    return float(sum(gaps) / max(1, len(truth)))
