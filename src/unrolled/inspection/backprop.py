"""A signal on its way back through fresh layers, unit by unit: an RNN's fades, an LSTM's lasts. Knows cells by name.

CS231n 2016, lecture 10, slide 79: the "cute backprop signal video". There is nothing but recurrence between the step
at which the gradient is put in and those before; x is normal noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.errors import ConfigError
from unrolled.inspection.flow import check_sizes, signal
from unrolled.layers import Recurrent

_CALLED = {
    "lstm": "lstm(forget_bias=1.0)",  # (Jozefowicz et al. 2015)
    "lstm-without-forget": "vanilla(forget_gate=False, peepholes=False)",  # slide 76: c = c + i * g
}


@dataclass(frozen=True)
class BackwardSignal:
    """dL/d(value) of a cell's value at every step, `[T, U]`, float32; L is the output at the last step, times a vector.

    name: of the cell, as it was asked for. address: of the value, "layer0.c".
    """

    name: str
    address: str
    gradients: Tensor

    def norms(self) -> Tensor:
        """The norm so many steps back, `[T]`, relative to that at the last step: number 0 is 1, float64.

        It underflows with float32, at about 1e-45 of what was put in.
        """
        every: Tensor = self.gradients.double().norm(dim=1).flip(0)
        return every / every[0]


def backward_signals(
    cells: Sequence[str] = ("rnn", "lstm"), hidden: int = 64, steps: int = 128, seed: int = 0
) -> list[BackwardSignal]:
    """Put a gradient into fresh layers at the last step, and follow it back through the state that lasts longest.

    That is c where a cell has one, as the LSTM has, else its first state.

    Args:
        cells: "lstm" has a forget bias of 1, "lstm-without-forget" is that of slide 76, c = c + i * g; others as
            `Recurrent` has them: "rnn", "gru", "lstm(forget_bias=3.0)".
        hidden: U, and the width of x.
        steps: T.
        seed: of x, of the weights, which are drawn as the cell states, and of the vector.

    Raises:
        CellError: no such cell.
        ConfigError: no steps or units, or no gradient at the last step.
    """
    check_sizes(hidden=hidden, steps=steps)
    return [_signal(name, hidden, steps, seed) for name in cells]


def _signal(name: str, hidden: int, steps: int, seed: int) -> BackwardSignal:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = Recurrent(_CALLED.get(name, name), hidden, hidden).eval()
        x = torch.randn(steps, 1, hidden)
    states = [one.name for one in layer.graph.states]
    address = f"layer0.{'c' if 'c' in states else states[0]}"
    gradients = signal(layer, x, value=address, seed=seed).as_subclass(Tensor)[:, 0]
    if not bool(gradients[-1].any()):
        raise ConfigError(f"{name}: no gradient reaches {address} at the last step: give another cell, or another seed")
    return BackwardSignal(name, address, gradients)
