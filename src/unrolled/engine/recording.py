"""What a run writes down of itself: named values at every step, and their gradients. Knows tensors, no graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Recording:
    """Which values of a graph a run is to keep, and where it leaves them.

    names: of values, as the graph has them (`f`, `i@1`, `c@0`). with_gradients: their gradients, too, once somebody
    goes back through the run: of all that is derived, through all later steps.

    leaves: where autograd has to arrive, so that no gradient is left out: inputs and states that had none of their own.
    valid: where rows have not ended, `[T, B]`; None: nowhere.
    values, gradients: `[T, B, width]` by name, detached; where a row has ended, zeros. A value that all rows and steps
    share is repeated, and has no gradient of its own.
    """

    names: tuple[str, ...]
    with_gradients: bool = False
    leaves: list[Tensor] = field(default_factory=list)
    values: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, Tensor] = field(default_factory=dict)
    valid: Tensor | None = None

    def take(self, values: Mapping[str, Tensor], valid: Tensor | None) -> None:
        """Keep the values `[T, B, width]` of a run; `valid` `[T, B]`: where rows have not ended."""
        self.valid = valid
        self.values |= {name: self._real(value.detach()) for name, value in values.items()}

    def take_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """Keep the gradients `[T, B, width]` of a run; those of a second pass take the place of the first's."""
        self.gradients |= {name: self._real(value.detach()) for name, value in gradients.items()}

    def _real(self, value: Tensor) -> Tensor:
        return value if self.valid is None else torch.where(self.valid.unsqueeze(-1), value, 0.0)
