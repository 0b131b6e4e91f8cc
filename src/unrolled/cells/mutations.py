"""The three cells that a search over ten thousand kept (Jozefowicz et al. 2015). Knows the equations only.

In the paper x is as wide as h where it stands alone; here a matrix makes it so. z multiplies the candidate, the other
way round than in the GRU of Cho et al.
"""

from unrolled.equations import cell
from unrolled.equations.ops import affine, bias, linear, sigmoid, tanh


@cell
def mut1(x, h):
    """MUT1: the update gate does not see h (Jozefowicz et al. 2015)."""
    z = sigmoid(affine(x))
    r = sigmoid(affine(x, h, bias="shared"))
    n = tanh(linear(r * h) + tanh(linear(x)) + bias())
    h = n * z + h * (1 - z)
    return h


@cell
def mut2(x, h):
    """MUT2: the input stands alone in the reset gate (Jozefowicz et al. 2015)."""
    z = sigmoid(affine(x, h, bias="shared"))
    r = sigmoid(linear(x) + affine(h))
    n = tanh(affine(r * h, x, bias="shared"))
    h = n * z + h * (1 - z)
    return h


@cell
def mut3(x, h):
    """MUT3: the update gate sees tanh(h) (Jozefowicz et al. 2015)."""
    z = sigmoid(affine(x, tanh(h), bias="shared"))
    r = sigmoid(affine(x, h, bias="shared"))
    n = tanh(affine(r * h, x, bias="shared"))
    h = n * z + h * (1 - z)
    return h
