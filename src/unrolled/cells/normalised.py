"""Cells whose sums are normalised over their units (Ba, Kiros & Hinton 2016). Knows the equations only."""

from unrolled.equations import cell
from unrolled.equations.ops import bias, linear, norm, sigmoid, split, tanh


@cell
def layer_norm_lstm(x, h, c):
    """LSTM with layer normalisation (Ba et al. 2016, supplement)."""
    i, f, g, o = split(norm(linear(x, to=4)) + norm(linear(h, to=4)) + bias(4), 4)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), tanh(g)
    c = f * c + i * g
    h = o * tanh(norm(c))
    return h, c


@cell
def layer_norm_gru(x, h):
    """GRU with layer normalisation (Ba et al. 2016, supplement); z multiplies the candidate."""
    z, r = split(norm(linear(x, to=2)) + norm(linear(h, to=2)), 2)
    z, r = sigmoid(z), sigmoid(r)
    n = tanh(norm(linear(x)) + r * norm(linear(h)))
    h = (1 - z) * h + z * n
    return h
