"""Gated recurrent units, in their two published orders. Knows the equations only."""

from unrolled.equations import cell
from unrolled.equations.ops import affine, elementwise, sigmoid
from unrolled.errors import CellError


@cell
def gru(x, h, *, activation="tanh", bias="each"):
    """Gated recurrent unit, reset after the product, as torch.nn and cuDNN have it (Cho et al. 2014, v1).

    activation: of the candidate n; bias: "each" product its own, or None.
    """
    if bias == "shared":
        raise CellError("gru(bias='shared'): r multiplies the bias of h's product alone, so x and h cannot share one")
    r_x, z_x, n_x = affine(x, parts=3, bias=bias)
    r_h, z_h, n_h = affine(h, parts=3, bias=bias)
    r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
    n = elementwise(activation)(n_x + r * n_h)
    h = (1 - z) * n + z * h
    return h


@cell
def gru_v3(x, h, *, activation="tanh", bias="each"):
    """Gated recurrent unit, reset before the product (Cho et al. 2014, v3).

    char-rnn has the same, with z and 1 - z exchanged.

    activation: of the candidate n; bias: "each" matrix its own, "shared" by both, or None.
    """
    r, z = affine(x, h, parts=2, bias=bias)
    r, z = sigmoid(r), sigmoid(z)
    n = elementwise(activation)(affine(x, r * h, bias=bias))
    h = z * h + (1 - z) * n
    return h
