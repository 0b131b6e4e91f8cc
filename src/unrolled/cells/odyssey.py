"""The nine cells of "LSTM: A Search Space Odyssey" (Greff et al. 2015). Knows the equations only."""

from unrolled.equations import cell
from unrolled.equations.ops import affine, elementwise, linear, sigmoid, weight


def _gate(x, h, peephole, *others):
    """One gate: of the input, the output of the step before, and what else it sees."""
    total = affine(x, h, bias="shared")
    for other in others:
        total = total + linear(other)
    return sigmoid(total if peephole is None else total + weight() * peephole)


@cell
def vanilla(
    x, h, c, *, input_gate=True, forget_gate=True, output_gate=True, input_activation="tanh",
    output_activation="tanh", peepholes=True, coupled=False,
):  # fmt: skip
    """The LSTM with peepholes, "vanilla", and what is left of it without one of its parts (Greff et al. 2015).

    input_gate, forget_gate, output_gate: False makes it 1; input_activation, output_activation: "identity" takes it
    out; peepholes: whether gates see the cell; coupled: the forget gate is 1 - i.
    """
    z = elementwise(input_activation)(affine(x, h, bias="shared"))
    i = _gate(x, h, c if peepholes else None) if input_gate else 1.0
    f = _gate(x, h, c if peepholes else None) if forget_gate and not coupled else 1.0
    f = 1 - i if coupled else f
    c = f * c + i * z
    o = _gate(x, h, c if peepholes else None) if output_gate else 1.0
    h = o * elementwise(output_activation)(c)
    return h, c


nig = vanilla(input_gate=False)
nfg = vanilla(forget_gate=False)
nog = vanilla(output_gate=False)
niaf = vanilla(input_activation="identity")
noaf = vanilla(output_activation="identity")
np = vanilla(peepholes=False)
cifg = vanilla(coupled=True)


@cell
def fgr(x, h, c, i, f, o):
    """Full gate recurrence: each gate sees all gates of the step before, too (Greff et al. 2015)."""
    z = elementwise("tanh")(affine(x, h, bias="shared"))
    gates = i, f, o
    i, f = _gate(x, h, c, *gates), _gate(x, h, c, *gates)
    c = f * c + i * z
    o = _gate(x, h, c, *gates)
    h = o * elementwise("tanh")(c)
    return h, c, i, f, o
