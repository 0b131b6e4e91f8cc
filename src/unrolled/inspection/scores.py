"""How well a unit tells a label: AUC, correlation, mutual information. Knows arrays, no networks and no text."""

from __future__ import annotations

import torch
from torch import Tensor

_BINS = 16  # of a unit and of a number, for mutual information
_KEYS = 1 << 16  # numbers of half precision
_AT_ONCE = 1 << 24  # elements that are sorted at once


def ranks(values: Tensor) -> Tensor:
    """The ranks 1 ... N of values `[U, N]` among those of the same unit; equal ones share their mean."""
    found = torch.empty(values.shape, dtype=torch.float32)
    for rows, out in zip(_pieces(values), _pieces(found), strict=True):
        ordered, order = rows.sort(dim=1)
        first = torch.searchsorted(ordered, ordered, side="left")
        last = torch.searchsorted(ordered, ordered, side="right")
        out.scatter_(1, order, (first + last + 1).float() / 2)
    return found


def _pieces(values: Tensor) -> tuple[Tensor, ...]:
    return torch.split(values, max(1, _AT_ONCE // max(1, values.shape[1])))


def rough_ranks(values: Tensor) -> Tensor:
    """The same of values rounded to half precision, 0.05 %, which may become equal: counted, and so much faster.

    Of each unit's largest value, those count as equal that are below a hundred-millionth.
    """
    largest = values.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)
    bits = ((values / largest).half() + 0.0).view(torch.int16).int()  # (-0 becomes 0)
    keys = torch.where(bits < 0, -1 - bits, bits + _KEYS // 2) & (_KEYS - 1)  # in the order of the numbers
    found = torch.empty(values.shape, dtype=torch.float32)
    for row, out in zip(keys, found, strict=True):
        counts = torch.bincount(row, minlength=_KEYS)
        means = counts.cumsum(0) - (counts - 1) / 2
        torch.index_select(means, 0, row, out=out)
    return found


def auc(ranked: Tensor, labels: Tensor) -> Tensor:
    """The areas under the ROC curves `[U, L]`: how probable it is that a unit is higher where a label is true.

    Args:
        ranked: `[U, N]`, from `ranks`.
        labels: `[L, N]`, of zeros and ones; one without either has 0.5.
    """
    count = ranked.shape[1]
    labels = labels.to(torch.float64)
    yes = labels.sum(dim=1)
    no = count - yes
    # (ranks about their mean: sums of large numbers would lose digits)
    sums = _product(ranked - (count + 1) / 2, labels)
    return 0.5 + torch.where((yes > 0) & (no > 0), sums / (yes * no).clamp(min=1), 0.0)


def correlation(values: Tensor, labels: Tensor) -> Tensor:
    """Pearson's r of units `[U, N]` and labels `[L, N]`: `[U, L]`; 0 where one of them never changes."""
    units = _normed(values.to(torch.float32))
    return _product(units, _normed(labels.to(torch.float64)))


def _normed(values: Tensor) -> Tensor:
    """Less the mean, of length 1; zeros where nothing changes."""
    centred = values - values.mean(dim=1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    least = 1e-6 * values.abs().amax(dim=1, keepdim=True) * values.shape[1] ** 0.5
    return torch.where(length > least, centred / length.clamp(min=1e-30), 0.0)


def _product(units: Tensor, labels: Tensor) -> Tensor:
    """Products of float32 `[U, N]` with `[L, N]`, in pieces that are added up in float64."""
    total = torch.zeros(len(units), len(labels), dtype=torch.float64)
    for a, b in zip(torch.split(units, 4096, dim=1), torch.split(labels, 4096, dim=1), strict=True):
        total += (a @ b.to(a.dtype).t()).double()
    return total


def mutual_information(ranked: Tensor, label: Tensor) -> Tensor:
    """Nats that units `[U, N]`, given by their ranks, tell of a label `[N]`: `[U]`.

    A unit has 16 equally full bins; a label as many, or those of its values if it has fewer. The bias of so many bins
    (Miller & Madow 1955) is taken off.
    """
    count = ranked.shape[1]
    kinds, place = torch.unique(label, return_inverse=True)
    if len(kinds) > _BINS:
        place = ((ranks(label[None])[0] - 0.5) / count * _BINS).long()
    of_label = int(place.max()) + 1
    bins = ((ranked - 0.5) / count * _BINS).long().clamp(0, _BINS - 1)
    table = torch.zeros(len(ranked), _BINS * of_label, dtype=torch.float64)
    table.scatter_add_(1, bins * of_label + place, torch.ones_like(ranked, dtype=torch.float64))
    table = table.view(-1, _BINS, of_label) / count
    rows, columns = table.sum(dim=2, keepdim=True), table.sum(dim=1, keepdim=True)
    nats = torch.special.xlogy(table, table / (rows * columns).clamp(min=1e-300)).sum(dim=(1, 2))
    bias = ((rows > 0).sum(dim=1) - 1) * ((columns > 0).sum(dim=2) - 1) / (2 * count)
    return torch.clamp(nats - bias.flatten(), min=0.0)
