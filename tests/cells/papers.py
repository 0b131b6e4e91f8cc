"""Cells written from their papers, as a stranger to the code would: what the language has to be able to say."""

from __future__ import annotations

from unrolled import cell
from unrolled.ops import (
    affine,
    concat,
    dropout,
    linear,
    maximum,
    sigmoid,
    softplus,
    split,
    tanh,
    units,
    weight,
    where,
    zoneout,
)


@cell
def peephole_lstm(x, h, c):
    """Greff et al. 2015, "vanilla"."""
    i, f, g, o = affine(x, h, parts=4)
    i, f, g = sigmoid(i + weight() * c), sigmoid(f + weight() * c), tanh(g)
    c = f * c + i * g
    o = sigmoid(o + weight() * c)
    return o * tanh(c), c


@cell
def with_read_out(x, h):
    """An output that is no state, of another width."""
    h = tanh(affine(x, h))
    y = linear(h, to=units(7))
    return y, h


@cell(widths={"wide": "2H"})
def words(x, wide, h):
    """No paper's: the words of the language that the others leave out."""
    first, rest = split(concat(linear(x), wide), [1, 2])
    gate = where(first > h, sigmoid(first), 0.25 * h)
    wide = maximum(-rest, tanh(rest) ** 2) / (2.0 + softplus(affine(gate, h, to=2, bias="shared")))
    a, b = split(wide, 2)
    h = abs(a - b) - gate
    return wide, h


@cell
def noisy(x, h, c):
    """An LSTM with all the noise that papers know: variational dropout (Gal & Ghahramani 2016), dropout of the
    candidate (Semeniuta et al. 2016), and zoneout (Krueger et al. 2017) of states that the step goes on with."""
    i, f, o, g = affine(dropout(x, 0.3, per="sequence"), dropout(h, 0.2, per="sequence"), parts=4)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), dropout(tanh(g), 0.25)
    c = zoneout(f * c + i * g, c, 0.4)
    h = zoneout(o * tanh(c), h, 0.1, per="sequence")
    return h, c
