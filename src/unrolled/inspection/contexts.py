"""The other way round: for a unit, where in the text it is strongest, and which label it follows best. Knows arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.inspection.labels import Label
from unrolled.inspection.scores import auc, correlation, ranks


class Rule(NamedTuple):
    """A label, and how well a unit tells it: 1 is exactly, 0 not at all; below 0 if the unit is low where it is high.

    Of a label that is true or false 2 AUC - 1 (Somers' D), of a number Pearson's r.
    """

    label: Label
    score: float


def rules_of(values: Tensor, labels: Sequence[Label], limits: Mapping[str, float]) -> list[Rule | None]:
    """The label that each unit `[U, N]` tells best, chosen by the first half of the text and scored by the second.

    limits: name of a label -> the score, as `Finding` has it, that is above chance. None where a unit is not above it.
    """
    labels = [one for one in labels if one.name in limits]
    if not labels:
        return [None] * len(values)
    middle = values.shape[1] // 2
    chosen = _scores(values[:, :middle], labels, slice(middle)).abs().argmax(dim=1).tolist()
    scores = _scores(values[:, middle:], labels, slice(middle, None))
    rules = [Rule(labels[best], float(row[best])) for best, row in zip(chosen, scores, strict=True)]
    return [one if _is_above(one, limits[one.label.name]) else None for one in rules]


def _scores(values: Tensor, labels: Sequence[Label], half: slice) -> Tensor:
    """`[U, L]` of half of the text."""
    given = torch.stack([torch.from_numpy(one.values[half]) for one in labels])
    binary = torch.tensor([one.is_binary for one in labels])
    scores = torch.empty(len(values), len(labels), dtype=torch.float64)
    scores[:, binary] = 2 * auc(ranks(values), given[binary]) - 1
    scores[:, ~binary] = correlation(values, given[~binary])
    return scores


def _is_above(rule: Rule, limit: float) -> bool:
    size = abs(rule.score)
    return ((size + 1) / 2 if rule.label.is_binary else size) > limit


def peaks(values: Tensor, count: int = 4, apart: int = 40) -> list[int]:
    """Where a unit `[N]` is highest: the places of its peaks, the highest first, so many steps from each other."""
    found: list[int] = []
    left = values.double().clone()
    while len(found) < count and bool(left.isfinite().any()):
        place = int(left.nan_to_num(nan=-torch.inf).argmax())
        found.append(place)
        left[max(0, place - apart) : place + apart + 1] = -torch.inf
    return found
