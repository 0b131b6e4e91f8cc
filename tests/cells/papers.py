"""Cells written from their papers, as a stranger to the code would: what the language has to be able to say."""

from __future__ import annotations

from unrolled import cell
from unrolled.ops import (
    affine,
    concat,
    linear,
    maximum,
    sigmoid,
    softplus,
    split,
    tanh,
    units,
    weight,
    where,
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
