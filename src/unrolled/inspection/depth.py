"""Depth: gradients in a deep plain network and in a deep residual one, before any training. Knows no sequences.

CS231n 2016, lecture 10, slide 77: y = F(x) against y = x + F(x), see `layers.Deep`; here fully connected.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.errors import ConfigError
from unrolled.layers import Blocks, Deep, Initialised, initialise

_ROWS = 32  # of the batch that is read


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
    plain, residual = (_of_random_numbers(layers, width, init, seed, blocks) for blocks in ("plain", "residual"))
    return [Layer(number, *pair) for number, pair in enumerate(zip(plain, residual, strict=True), 1)]


def _of_random_numbers(layers: int, width: int, init: Initialised, seed: int, blocks: Blocks) -> list[float]:
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        every = [nn.Linear(width, width, dtype=torch.float64) for _ in range(layers)]
        initialise(every, init)
        net = Deep(every, blocks)
        x, direction = torch.randn(2, _ROWS, width, dtype=torch.float64)
        return gradients_by_layer(net, (net(x) * direction).sum())


def gradients_by_layer(model: nn.Module, loss: Tensor) -> list[float]:
    """The norm of dL/dW of each matrix or kernel W of a model, in the order of its parameters, relative to the last's.

    Of weights that are learned; 0 for one on which the loss does not depend. The graph of the loss is kept.

    Raises:
        ConfigError: there are none, the last has no gradient, or one is not finite.
    """
    weights = [one for one in model.parameters() if one.dim() > 1 and one.requires_grad]
    if not weights or not loss.requires_grad:
        raise ConfigError("the loss depends on no weight of the model that is learned: there is no gradient to compare")
    found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    norms = torch.stack([loss.new_zeros(()).double() if one is None else one.double().norm() for one in found])
    if not bool(norms.isfinite().all()) or norms[-1] == 0:
        raise ConfigError(
            f"the gradient in the last of {len(norms):,} layers is {float(norms[-1]):g}, nothing to compare others"
            " with: ReLUs are dead, or numbers too large. Give fewer layers, or more units"
        )
    return [float(one) for one in norms / norms[-1]]
