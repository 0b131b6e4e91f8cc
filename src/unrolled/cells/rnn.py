"""The vanilla recurrent network. Knows the equation only."""

from unrolled.equations import cell
from unrolled.equations.ops import affine, elementwise


@cell
def rnn(x, h, *, activation="tanh", bias="each"):
    """The vanilla recurrent network, h = tanh(Wxh x + Whh h + b) (Elman 1990).

    activation: "tanh", "relu" ...; bias: "each" matrix its own, one "shared" by both (min-char-rnn), or None.
    """
    h = elementwise(activation)(affine(x, h, bias=bias))
    return h
