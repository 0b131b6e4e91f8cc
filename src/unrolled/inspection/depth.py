"""Depth: gradients in a deep plain network and in a deep residual one, before any training. Knows no sequences.

CS231n 2016, lecture 10, slide 77: y = F(x) against y = x + F(x); what the residual network (He et al. 2015, Deep
Residual Learning) is to the plain one, the LSTM is to the RNN. F(x) = W2 relu(W1 relu(x) + b1) + b2: two layers, with
the ReLU ahead of them as in He et al. 2016 (Identity Mappings in Deep Residual Networks, fig. 4d), so that nothing
stands on the way of x; fully connected, and without the batch normalisation of both papers, which keeps the plain
network's gradient from vanishing, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from unrolled.errors import ConfigError

Initialised = Literal["torch", "he"]

_ROWS = 32  # of the batch that is read


class DeepNet(nn.Module):
    """Blocks of two layers each, one on the other: y = F(x), or y = x + F(x) if it is `residual`."""

    def __init__(self, layers: int, width: int, init: Initialised, *, residual: bool) -> None:
        """Initial values come from torch's default generator.

        Args:
            layers: how many, 2, 4, 6 ...
            width: units of x and of each layer.
            init: "torch": nn.Linear's own, U(-1/sqrt(width), 1/sqrt(width)); "he": N(0, 2/width), and zeros for b (He
                et al. 2015, Delving Deep into Rectifiers, eq. 10).
            residual: whether x is added.
        """
        super().__init__()
        self.residual = residual
        made = [nn.Linear(width, width, dtype=torch.float64) for _ in range(layers)]
        self.layers = nn.ModuleList(made)
        if init == "he":
            for layer in made:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """What comes out, `[B, width]`, for x `[B, width]`."""
        for first, second in zip(self.layers[::2], self.layers[1::2], strict=True):
            y = second(first(x.relu()).relu())
            x = x + y if self.residual else y
        return x


@dataclass(frozen=True)
class Layer:
    """The norms of the gradients in the weights of one layer (1: the first), relative to those of the last."""

    layer: int
    plain: float
    residual: float


def depth_gradients(layers: int = 50, width: int = 64, init: Initialised = "torch", seed: int = 0) -> list[Layer]:
    """The norm of dL/dW of every layer of a plain network and of a residual one with the same initial values.

    Both read 32 rows of normal numbers; L is what they give out, times a normal vector a row.

    The plain network's gradient vanishes with torch's initial values: there W has the variance 1/(3 width), and a layer
    with ReLU makes a gradient smaller by sqrt(1/6), on average. He's are chosen such that it does not.

    Returns:
        From the first layer to the last. float64 ends at 1e-308: below that, a norm is 0.

    Raises:
        ConfigError: no even number of layers, no width, or no such initial values.
    """
    if layers < 2 or layers % 2:
        raise ConfigError(f"{layers} layers: F has two, give an even number from 2 on")
    if width < 1:
        raise ConfigError(f"width={width}: give a whole number from 1 on")
    if init not in ("torch", "he"):
        raise ConfigError(f"there are no initial values {init!r}: torch, he")
    plain, residual = (_norms(layers, width, init, seed, residual=one) for one in (False, True))
    return [Layer(number, *pair) for number, pair in enumerate(zip(plain, residual, strict=True), 1)]


def _norms(layers: int, width: int, init: Initialised, seed: int, *, residual: bool) -> list[float]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DeepNet(layers, width, init, residual=residual)
        x, direction = torch.randn(2, _ROWS, width, dtype=torch.float64)
    weights = [one for one in net.parameters() if one.dim() == 2]
    with torch.enable_grad():
        gradients = torch.autograd.grad((net(x) * direction).sum(), weights)
    norms = torch.stack([one.norm() for one in gradients])
    if not bool(norms.isfinite().all()) or norms[-1] == 0:
        raise ConfigError(
            f"the gradient in the last of {layers:,} layers is {float(norms[-1]):g}, nothing to compare others with:"
            " ReLUs are dead, or numbers too large. Give fewer layers, or more units"
        )
    return [float(one) for one in norms / norms[-1]]
