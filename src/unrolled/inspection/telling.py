"""Which units are worth looking at, and what there is to say of each. Knows units, labels, findings; no networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor

from unrolled.inspection.contexts import Rule, peaks, rules_of
from unrolled.inspection.finder import Finding, Units
from unrolled.inspection.labels import Label

MOST = 48  # units


@dataclass(frozen=True)
class Telling:
    """A unit: its address, what it was at each step `[N]`, the label that it tells best (if better than chance), and
    where it is highest (lowest, if it is low where the label is high).
    """

    unit: str
    values: Tensor
    rule: Rule | None
    peaks: list[int]


def telling_units(
    units: Units, findings: Sequence[Finding], labels: Sequence[Label], count: int = MOST
) -> list[Telling]:
    """The best unit of each finding, then each second best, and so on; then those that move most, as far as needed."""
    wanted = list(dict.fromkeys([*_of(findings), *_liveliest(units, count)]))[:count]
    places = {name: place for place, name in enumerate(units.names)}
    values = units.values[[places[name] for name in wanted]]
    limits = {one.label: one.limit for one in findings}
    every = zip(wanted, values, rules_of(values, labels, limits), strict=True)
    return [Telling(name, one, rule, peaks(-one if rule and rule.score < 0 else one)) for name, one, rule in every]


def _of(findings: Sequence[Finding]) -> Iterator[str]:
    ranked = [[one.unit, *(name for name, _ in one.runners_up)] for one in findings]
    for names in zip_longest(*ranked):
        yield from (name for name in names if name is not None)


def _liveliest(units: Units, count: int) -> list[str]:
    """Those whose values vary most, for their size."""
    values = torch.nan_to_num(units.values.float())
    spread = values.std(dim=1, correction=0) / values.abs().amax(dim=1).clamp(min=1e-6)
    return [units.names[place] for place in spread.topk(min(count, len(values))).indices.tolist()]
