"""How a layer's state depends on the state before: Jacobians along a real sequence, and Lyapunov exponents.

The exponents are found by the QR method (Benettin et al. 1980; for recurrent networks Engelken, Wolf & Abbott 2023): a
basis is carried along by the Jacobians and made orthonormal at each step; the mean logarithm of how much each vector
grew is its exponent, in nats per step. Above zero two near states part; -1 / exponent is for how many steps the slowest
direction remembers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import AddressError, ShapeError
from unrolled.inspection.tracing import directions_of, modules_of, trace
from unrolled.layers.stack import Direction


def jacobians(
    model: nn.Module,
    *inputs: Any,
    layer: str = "layer0",
    row: int = 0,
    steps: Sequence[int] | None = None,
    **options: Any,
) -> Iterator[Tensor]:
    """d(states after) / d(states before) of one layer at steps of a real sequence, each `[S, S]`, float64.

    S counts the units of all states, in the order of the cell; what other layers do is not in it.

    Args:
        model: any module with recurrent layers of Unrolled within.
        *inputs: what it is called with.
        **options: the same, by name.
        layer: its address, `layer1`, `rnn.layer0.reverse`.
        row: of the batch.
        steps: which ones; None: all.

    Raises:
        AddressError: there is no such layer.
        ShapeError: no such row or step.
    """
    address, direction = _layer(model, layer)
    program = direction.program.expected
    states = {one.name: program.resolve(one.width) for one in program.graph.states}
    found = trace(model, *inputs, names=[f"{address}.x", *(f"{address}.{name}@0" for name in states)], **options)
    x = found[f"{address}.x"].as_subclass(Tensor).double()
    before = torch.cat([found[f"{address}.{name}@0"].as_subclass(Tensor).double() for name in states], dim=-1)
    wanted = range(len(x)) if steps is None else steps
    if not 0 <= row < x.shape[1] or any(not 0 <= step < len(x) for step in wanted):
        raise ShapeError(
            f"the sequence has {len(x)} steps and {x.shape[1]} rows: there is no row {row}, or no such step"
        )
    parameters = [one.detach().double() for one in direction.parameters]

    def step(state: Tensor, now: Tensor) -> Tensor:
        given = dict(zip(states, torch.split(state, list(states.values())), strict=True))
        values = program.reference.named_values(now[None], {name: one[None] for name, one in given.items()}, parameters)
        return torch.cat([values[name][0] for name in states])

    for t in wanted:
        yield torch.func.jacrev(step)(before[t, row], x[t, row])


def _layer(model: nn.Module, address: str) -> tuple[str, Direction]:
    every = {
        str(place): direction
        for path, module in modules_of(model).items()
        for place, direction in directions_of(path, module.stack())
    }
    found = [one for one in every if one == address or one.endswith(f".{address}")]
    if len(found) != 1:
        raise AddressError(f"there is no layer {address!r}, or more than one: {', '.join(every)}")
    return found[0], every[found[0]]


def lyapunov_exponents(matrices: Iterator[Tensor] | Sequence[Tensor], count: int = 8, skip: int = 10) -> Tensor:
    """The largest exponents `[count]` of a sequence of Jacobians, in nats per step, from the largest on.

    skip: the first steps, in which the basis turns to where it grows.

    Raises:
        ShapeError: there are no more steps than are skipped.
    """
    basis: Tensor | None = None
    total = torch.zeros(0, dtype=torch.float64)
    seen = 0
    for matrix in matrices:
        if basis is None:
            count = min(count, len(matrix))
            chance = torch.Generator().manual_seed(0)
            basis = torch.linalg.qr(torch.randn(len(matrix), count, generator=chance, dtype=torch.float64)).Q
            total = torch.zeros(count, dtype=torch.float64)
        basis, grown = torch.linalg.qr(matrix.double() @ basis)
        if seen >= skip:
            total += grown.diagonal().abs().clamp(min=1e-300).log()
        seen += 1
    if seen <= skip:
        raise ShapeError(f"there are {seen} steps, and the first {skip} do not count: give more")
    return (total / (seen - skip)).sort(descending=True).values
