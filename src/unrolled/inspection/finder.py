"""Units that track a property of the text: found on one half, checked on the other, against chance. Knows no models.

A unit that is best among thousands is good by chance alone, the more so as text and states change slowly. So what was
found is held against what is found in the same way where there is nothing: in untrained networks of the same shape that
read the same text, which echo what they have just read, and in labels that are shifted against it, in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import DataError
from unrolled.inspection.labels import Label
from unrolled.inspection.scores import auc, correlation, mutual_information, ranks, rough_ranks

_LEAST = 200  # characters in each half
FEWEST = 2 * _LEAST
_MARGIN = 0.05  # over the best that chance reached, and so many deviations of what untrained networks reached:
_DEVIATIONS = 3


@dataclass(frozen=True)
class Units:
    """What every unit was at every character: `values` `[U, N]`, `names` their addresses, `layer0.c[42]`."""

    names: Sequence[str]
    values: Tensor

    @staticmethod
    def of(values: Mapping[str, Tensor]) -> Units:
        """All units of all values, address -> `[N, U]`, one under the other."""
        names = [f"{address}[{unit}]" for address, value in values.items() for unit in range(value.shape[1])]
        return Units(names, torch.cat([value.t() for value in values.values()]).contiguous())

    def half(self, number: int) -> Tensor:
        """The values at the characters of the first or the second half."""
        middle = self.values.shape[1] // 2
        return self.values[:, :middle] if number == 0 else self.values[:, middle:]


@dataclass(frozen=True)
class Finding:
    """The unit that tells a label best.

    Attributes:
        label, what: of the label, and in words.
        unit: its address.
        measure: "AUC" of a label that is true or false, "r" (Pearson's) of a number.
        score: on the half of the text by which it was not chosen: at best 1; 0.5 (AUC) or 0 (r) is nothing, and less
            that the unit has turned round.
        is_opposite: the unit is low where the label is high.
        chance: the best score that the untrained networks and the shifted labels reached.
        limit: what has to be exceeded: chance, and a margin for the few untrained networks. Above 1 nothing passes.
        nats: of the label, that the unit tells (mutual information), on that half.
        runners_up: the units that are next best, with their scores.
        cell: what Karpathy, Johnson & Fei-Fei 2015 call such a unit, if they do.
    """

    label: str
    what: str
    unit: str
    measure: str
    score: float
    is_opposite: bool
    chance: float
    limit: float
    nats: float
    runners_up: list[tuple[str, float]] = field(default_factory=list)
    cell: str = ""

    @property
    def passes(self) -> bool:
        """Whether it is more than chance."""
        return self.score > self.limit


def find_cells(
    units: Units, labels: Sequence[Label], untrained: Iterable[Units], *, shifts: int = 30, seed: int = 0, more: int = 4
) -> list[Finding]:
    """The best unit for each label, those that pass first, the best first.

    Args:
        units: of the network, over a text that it was not trained on.
        labels: of that text.
        untrained: the units of networks of the same shape with fresh weights, over the same text; one after the other,
            so that not all need be there at once.
        shifts: how often the labels are shifted.
        seed: of the shifts.
        more: how many units that come next are told.

    Raises:
        DataError: the text is too short, or the labels are of another one.
    """
    count = units.values.shape[1]
    if count < FEWEST:
        raise DataError(f"a text of {count} characters is too short to find cells in: give at least {FEWEST}")
    if any(one.values.shape != (count,) for one in labels):
        raise DataError("the labels are of a text of another length")
    labels = [one for one in labels if _varies_in_both_halves(one)]
    kinds = [alike for yes in (True, False) if (alike := [one for one in labels if one.is_binary == yes])]
    columns = [torch.stack([torch.from_numpy(one.values) for one in alike]) for alike in kinds]
    of_untrained: list[list[list[float]]] = [[] for _ in kinds]
    for other in untrained:
        if other.values.shape[1] != count:
            raise DataError("an untrained network has read a text of another length")
        searching = _Searching(other)
        for alike, values, scores in zip(kinds, columns, of_untrained, strict=True):
            scores.append(searching.best_scores(values, is_binary=alike[0].is_binary))
    ours = _Searching(units)
    offsets = np.random.default_rng(seed).integers(count // 10, count - count // 10, size=shifts).tolist()
    found: list[Finding] = []
    for alike, values, scores in zip(kinds, columns, of_untrained, strict=True):
        found += _found(ours, alike, values, torch.tensor(scores).view(-1, len(alike)), offsets, more)
    return sorted(found, key=lambda one: (not one.passes, -one.score))


def _found(
    ours: _Searching, labels: Sequence[Label], values: Tensor, of_untrained: Tensor, offsets: Sequence[int], more: int
) -> list[Finding]:
    """What a network has for labels that are all true or false, or all numbers: `values` `[L, N]`.

    of_untrained: the best scores `[networks, L]` of untrained ones.
    """
    is_binary = labels[0].is_binary
    shifted = torch.cat([values[:0], *(values.roll(offset, dims=1) for offset in offsets)])
    of_shifted = torch.tensor(ours.best_scores(shifted, is_binary=is_binary)).view(-1, len(labels))
    of_chance = torch.cat([of_untrained, of_shifted, torch.zeros(1, len(labels))]).amax(dim=0).tolist()
    spread = of_untrained.std(dim=0, correction=0).tolist() if len(of_untrained) else [0.0] * len(labels)
    order = ours.strengths(values, is_binary=is_binary).argsort(dim=0, descending=True)[: more + 1].t().tolist()
    return [
        ours.finding(label, best, chance, _MARGIN + _DEVIATIONS * wide)
        for label, best, chance, wide in zip(labels, order, of_chance, spread, strict=True)
    ]


def _varies_in_both_halves(label: Label) -> bool:
    middle = len(label.values) // 2
    return all(half.min() < half.max() for half in (label.values[:middle], label.values[middle:]))


class _Searching:
    """The units of a network, ready to be held against labels."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self._ranks = rough_ranks(units.half(0))

    def strengths(self, labels: Tensor, *, is_binary: bool) -> Tensor:
        """How well each unit tells each label in the first half, `[U, L]`, whatever the sign."""
        first = labels[:, : labels.shape[1] // 2]
        if is_binary:
            return (auc(self._ranks, first) - 0.5).abs()
        return correlation(self.units.half(0), first).abs()

    def best_scores(self, labels: Tensor, *, is_binary: bool) -> list[float]:
        """For each of the labels `[L, N]`: the score, in the second half, of the unit that is best in the first."""
        if not len(labels):
            return []
        chosen = self.strengths(labels, is_binary=is_binary).argmax(dim=0).tolist()
        pairs = zip(chosen, labels, strict=True)
        return [self._tested(unit, label, is_binary=is_binary)[0] for unit, label in pairs]

    def finding(self, label: Label, best: Sequence[int], chance: float, margin: float) -> Finding:
        """What is found for a label, of which these units are the best in the first half."""
        values, is_binary = torch.from_numpy(label.values), label.is_binary
        (score, is_opposite), *others = [self._tested(unit, values, is_binary=is_binary) for unit in best]
        half = self.units.half(1)[best[0]][None]
        nats = float(mutual_information(ranks(half), values[len(values) // 2 :])[0])
        names = [self.units.names[unit] for unit in best]
        return Finding(
            label.name, label.what, names[0], "AUC" if is_binary else "r", score, is_opposite, chance, chance + margin,
            nats, list(zip(names[1:], [one for one, _ in others], strict=True)), label.cell,
        )  # fmt: skip

    def _tested(self, unit: int, label: Tensor, *, is_binary: bool) -> tuple[float, bool]:
        """The score in the second half, with the sign of the first, and whether that sign is negative."""
        middle = len(label) // 2
        scores = []
        for number, piece in enumerate((label[:middle], label[middle:])):
            half = self.units.half(number)[unit][None]
            one = auc(rough_ranks(half), piece[None]) if is_binary else correlation(half, piece[None])
            scores.append(float(one[0, 0]))
        first, second = scores
        is_opposite = first < (0.5 if is_binary else 0.0)
        return ((1.0 if is_binary else 0.0) - second if is_opposite else second), is_opposite
