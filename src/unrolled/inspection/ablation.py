"""What a unit is worth: it is held at its mean while the model reads, and the cost is counted. Knows ids only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.inspection.intervening import intervene
from unrolled.models import LanguageModel, evaluating


class Cost(NamedTuple):
    """Nats per symbol, and their standard error over the pieces that were read."""

    nats: float
    error: float


@dataclass(frozen=True)
class Ablated:
    """What holding each unit costs: `nats` `[U, K, R]`, more per symbol that was to come, in R pieces of the text.

    places: after which symbol of the text, `[K, R]`.
    """

    units: list[str]
    nats: Tensor
    places: Tensor

    def cost(self, unit: str, where: Tensor | None = None) -> Cost:
        """What a unit is worth; `where`: `[K, R]` bool, at these symbols only. NaN if there are none."""
        nats = self.nats[self.units.index(unit)].double()
        weights = torch.ones_like(nats) if where is None else where.double()
        count = weights.sum()
        mean = (nats * weights).sum() / count
        apart = ((nats - mean) * weights).sum(dim=0)  # of each piece
        error = (apart.square().sum() * len(apart) / max(1, len(apart) - 1)).sqrt() / count
        return Cost(float(mean), float(error))

    def where(self, label: Any) -> Tensor:
        """Where a label of the whole text was true when the symbol was to come, `[K, R]`."""
        return torch.as_tensor(label)[self.places] > 0


@torch.no_grad()
def ablate(model: LanguageModel, ids: Tensor, means: dict[str, float], *, rows: int = 64, steps: int = 300) -> Ablated:
    """Hold one unit after the other while a model reads pieces of a text from states of zero.

    Args:
        model: in evaluation meanwhile, whatever its mode.
        ids: the text, `[N]`.
        means: address of a unit -> what it is held at: its mean over the text.
        rows: how many pieces, evenly over the text.
        steps: symbols of each; the first quarter does not count, since the states begin at zero.

    Raises:
        AddressError: there is no such unit.
    """
    steps = min(steps, len(ids) - 1)
    rows = max(1, min(rows, (len(ids) - 1) // steps)) if steps > 0 else 0
    if rows == 0:
        return Ablated(list(means), torch.zeros(len(means), 0, 0), torch.zeros(0, 0, dtype=torch.long))
    starts = torch.linspace(0, len(ids) - 1 - steps, rows).long()
    places = starts + torch.arange(steps)[:, None]
    x, y = ids[places].long(), ids[places + 1].long()
    counts = steps // 4

    def nats() -> Tensor:
        logits, _ = model(x.to(model.device))
        return F.cross_entropy(logits.float().flatten(0, 1), y.to(model.device).flatten(), reduction="none").cpu()

    costs = []
    with evaluating(model):
        whole = nats()
        for address, mean in means.items():
            with intervene(model, {address: mean}):
                costs.append((nats() - whole).view(steps, rows)[counts:])
    told = places[counts:]
    return Ablated(list(means), torch.stack(costs) if costs else torch.zeros(0, *told.shape), told)


def means_of(values: Tensor, units: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """The means of some of the units: `values` `[U, N]`, `units` their addresses."""
    places = {name: place for place, name in enumerate(units)}
    return {name: float(values[places[name]].double().mean()) for name in wanted}
