"""A recurrent stack that goes step by step, where each input hangs on the output before. Knows no images."""

from __future__ import annotations

from torch import Tensor

from unrolled.engine import Noise, State
from unrolled.layers import Recurrent


class Walk:
    """From states of zero, with gradients through all steps, which are of one run of the cell's noise."""

    def __init__(self, layers: Recurrent) -> None:
        self._layers = layers
        self._state: State | None = None
        self._noise = Noise.fresh() if layers.training and layers.graph.noise else None

    def step(self, x: Tensor) -> Tensor:
        """The output `[B, width]` for x `[B, D]`."""
        output: Tensor
        # (a call, not `Recurrent.step`, which is the same: hooks see it, and by them the signal that goes back)
        output, self._state = self._layers(x[None], self._state, noise=self._noise)
        self._noise = self._noise and self._noise.at(1)
        return output[0]
