"""Many layers one on the other, plain or residual, and what they begin with. Knows layers of any kind, no data.

CS231n 2016, lecture 10, slide 77: y = F(x) against y = x + F(x); what the residual network (He et al. 2015, Deep
Residual Learning) is to the plain one, the LSTM is to the RNN.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from torch import Tensor, nn

from unrolled.layers.convolution import Blocks

Initialised = Literal["torch", "he"]


class Deep(nn.Module):
    """Blocks of two layers each, one on the other: y = F(x), or y = x + F(x) where they are "residual".

    F(x) = W2 relu(W1 relu(x) + b1) + b2, with the ReLU ahead of the layers as in He et al. 2016 (Identity Mappings in
    Deep Residual Networks, fig. 4d), so that nothing stands on the way of x. Without the batch normalisation of both
    papers, which keeps the plain network's gradient from vanishing, too.
    """

    def __init__(self, layers: Iterable[nn.Module], blocks: Blocks) -> None:
        """`layers`: an even number, each of which gives what the next can read, as large as x."""
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.is_residual = blocks == "residual"

    def forward(self, x: Tensor) -> Tensor:
        """What comes out, of the shape of x."""
        for first, second in zip(self.layers[::2], self.layers[1::2], strict=True):
            y = second(first(x.relu()).relu())
            x = x + y if self.is_residual else y
        return x


def initialise(layers: Iterable[nn.Linear | nn.Conv2d], init: Initialised) -> None:
    """Give layers with a ReLU ahead of them their initial values, from torch's default generator.

    "torch": they keep their own, U(-1/sqrt(n), 1/sqrt(n)) where n values are read, of variance 1/(3n); "he": N(0, 2/n)
    and zeros for b, by which they neither shrink nor grow what goes through (He et al. 2015, Delving Deep into
    Rectifiers, eq. 10).
    """
    if init == "torch":
        return
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
