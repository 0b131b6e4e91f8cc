"""Long short-term memory. Knows the equation only."""

from unrolled.equations import cell
from unrolled.equations.ops import affine, elementwise, linear, sigmoid, units


@cell(widths={"h": "projection"})
def lstm(x, h, c, *, activation="tanh", bias="each", forget_bias=None, projection=None):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    The slide's one matrix (4n x 2n) stands as two, one for x and one for h, as in torch.nn.

    activation: of the candidate g and of the cell's output; bias: "each" matrix its own, "shared" by both, or
    None; forget_bias: the initial value of the forget gate's bias (1 in Jozefowicz et al. 2015; None: as
    torch.nn draws it); projection: the width of h, if another than that of c (Sak et al. 2014).
    """
    squash = elementwise(activation)
    i, f, o, g = affine(x, h, parts=4, bias=bias, bias_init=[None, forget_bias, None, None])
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), squash(g)
    c = f * c + i * g
    h = o * squash(c)
    if projection is not None:
        h = linear(h, to=units(projection))
    return h, c
