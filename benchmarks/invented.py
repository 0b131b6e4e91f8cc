"""A cell that nobody has written before: a random equation, well-formed and tame, from a seed. Knows the language only.

Its gates are sigmoids of products, its candidate is a random expression of what is at hand, within tanh, and its states
are moved towards it by a gate: so nothing grows, whatever was drawn.
"""

from __future__ import annotations

import random

from unrolled import ops
from unrolled.equations import Cell, cell

_UNARY = ("tanh({})", "sigmoid({})", "softplus({})", "relu({})", "absolute({})", "(1 - {})", "weight() * {}")
_BINARY = ("({} + {})", "({} - {})", "{} * {}", "maximum({}, {})", "minimum({}, {})")


def invented(seed: int) -> tuple[Cell, str]:
    """A cell, and its text."""
    text = _text(random.Random(seed), f"invented_{seed}")
    namespace = {name: getattr(ops, name) for name in ops.__all__}
    exec(compile(text, f"<invented cell {seed}>", "exec"), namespace)
    function = namespace[f"invented_{seed}"]
    return cell(function), text


def _text(chance: random.Random, name: str) -> str:
    gates = ["z", *[f"g{number}" for number in range(chance.randint(1, 3))]]
    has_cell = chance.random() < 0.5
    states = ["h", "c"] if has_cell else ["h"]
    told = ", ".join(gates)
    lines = [
        f"def {name}(x, {', '.join(states)}):",
        f"{told} = affine(x, h, parts={len(gates)})",
        f"{told} = {', '.join(f'sigmoid({gate})' for gate in gates)}",
        f"u = affine(x, {chance.choice(gates)} * h)",
    ]
    known = [*gates, "u", *states]
    for number in range(chance.randint(1, 4)):
        lines.append(f"v{number} = {_expression(chance, known)}")
        known.append(f"v{number}")
    moved = states[-1]
    # the candidate holds u, the gates and every v, so that no parameter is without a gradient
    everything = " + ".join([*gates[1:], "u", *known[len(gates) + 1 + len(states) :]])
    lines.append(f"{moved} = z * {moved} + (1 - z) * tanh({everything})")
    if has_cell:
        lines.append(f"h = {chance.choice(gates)} * tanh(c)")
    lines.append(f"return {', '.join(states)}")
    return "\n    ".join(lines) + "\n"


def _expression(chance: random.Random, known: list[str]) -> str:
    first, second = chance.choice(known), chance.choice(known)
    made = chance.choice(_BINARY).format(chance.choice(_UNARY).format(first), second)
    return f"tanh({made})"
