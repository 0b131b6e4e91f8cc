"""Cells without a matrix product in their loop: gates see the input alone, or a diagonal. Knows the equations only."""

from unrolled.equations import cell
from unrolled.equations.ops import affine, bias, cos, exp, linear, sigmoid, sin, softplus, split, sqrt, weight, where


def _positive(a):
    """A + 1/2 above zero, sigmoid(a) below: what is positive can be scanned in logarithms (Feng et al. 2024)."""
    return where(a >= 0, a + 0.5, sigmoid(a))


@cell
def min_gru(x, h, *, positive=False):
    """MinGRU (Feng et al. 2024). positive: the candidate goes through their g, which is positive."""
    z = sigmoid(affine(x))
    n = affine(x)
    n = _positive(n) if positive else n
    h = (1 - z) * h + z * n
    return h


@cell
def min_lstm(x, h, *, positive=False):
    """MinLSTM (Feng et al. 2024): the two gates are divided by their sum. positive: as in min_gru."""
    f, i = sigmoid(affine(x)), sigmoid(affine(x))
    n = affine(x)
    n = _positive(n) if positive else n
    h = f / (f + i) * h + i / (f + i) * n
    return h


@cell
def sru(x, c, *, scale=1.0):
    """Simple recurrent unit (Lei et al. 2018), with a matrix where the input passes by the cell.

    scale: of what passes by; sqrt(1 + 2 exp(bias)) in the paper.
    """
    u, f, r, past = split(linear(x, to=4), 4)
    f = sigmoid(f + weight() * c + bias())
    r = sigmoid(r + weight() * c + bias())
    c = f * c + (1 - f) * u
    h = r * c + (1 - r) * scale * past
    return h, c


@cell
def lru(x, a, b, *, low=0.9, high=0.999, phase=6.283):
    """Linear recurrent unit (Orvieto et al. 2023): complex numbers on a diagonal, within the unit circle; a + ib.

    low, high: between which their absolute values start; phase: below which their angles do. The output is as wide as
    the input.
    """
    size = exp(-exp(weight(init=("ring", low, high), name="nu")))
    theta = exp(weight(init=("log_uniform", phase), name="theta"))
    real, imaginary = size * cos(theta), size * sin(theta)
    gamma = sqrt(1 - size * size)
    a, b = real * a - imaginary * b + gamma * linear(x), imaginary * a + real * b + gamma * linear(x)
    y = linear(a, to=x) - linear(b, to=x) + weight(x, name="d") * x
    return y, a, b


@cell
def rg_lru(x, h, *, low=0.9, high=0.999):
    """Real-gated linear recurrent unit (De et al. 2024, Griffin), with a matrix that makes x as wide as h.

    low, high: between which the decay of a unit starts, where its gate is open.
    """
    r, i = sigmoid(affine(x)), sigmoid(affine(x))
    decay = exp(-8 * softplus(weight(init=("softplus_decay", low, high, 8.0), name="decay")) * r)
    h = decay * h + sqrt(1 - decay * decay) * (i * linear(x))
    return h
