"""The vanilla recurrent network. Knows the equation only."""

from unrolled.equations import cell
from unrolled.equations.ops import affine, elementwise


@cell
def rnn(x, h, *, activation="tanh", bias="each"):
    """The vanilla recurrent network, h = tanh(Wxh x + Whh h + b) (Elman 1990).

    activation: "tanh" or "relu"; bias: "each" matrix its own, or one "shared" by both, as in min-char-rnn.
    """
    h = elementwise(activation)(affine(x, h, bias=bias))
    return h
