"""Gradient flow: slide 79's demonstration with a dial, and the signal that goes back through a real network.

The demonstration is h_t = f(W h_{t-1}) without inputs, and back dL/dh_{t-1} = W^T (f'(.) * dL/dh_t): whether the
gradient vanishes or explodes is up to W alone. In the linear network the largest eigenvalue decides in the long run;
with the ReLU it does not. Pascanu, Mikolov & Bengio 2013 (On the difficulty of training recurrent neural networks)
bound the tanh network: it must vanish if the largest singular value of W is below 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from unrolled.errors import AddressError, ConfigError, ShapeError
from unrolled.inspection.addresses import Place, find
from unrolled.inspection.tracing import modules_of, names_of, trace
from unrolled.inspection.values import Values

Activation = Literal["relu", "linear", "tanh"]
VANISHED, EXPLODED = 1e-3, 1e3  # times the gradient that was put in


def gradient_norms(matrices: Tensor, steps: int = 50, activation: Activation = "relu", seed: int = 0) -> Tensor:
    """The norm of the gradient, going back through so many steps, relative to what was put in.

    Args:
        matrices: W of each network, `[S, H, H]`.
        steps: T.
        activation: f.
        seed: of the first state and of the gradient at the last step, both normal.

    Returns:
        `[S, T + 1]`, float64: at the last step, which is 1, then back to the state before the first.

    Raises:
        ConfigError: no such activation, or numbers too large for float64.
        ShapeError: no square matrices.
    """
    matrices = _checked(matrices, activation)
    chance = torch.Generator().manual_seed(seed)
    states = _states(matrices, steps, activation, chance)
    if not bool(states[-1].isfinite().all()):
        raise ConfigError(f"in {steps} steps states exceed the largest number there is: give fewer steps")
    gradient = torch.randn(states[-1].shape, generator=chance, dtype=torch.float64)
    norms = [gradient.flatten(1).norm(dim=1)]
    for h in reversed(states[1:]):
        gradient = matrices.mT @ (_slope(h, activation) * gradient)
        norms.append(gradient.flatten(1).norm(dim=1))
    every: Tensor = torch.stack(norms, dim=1)
    if not bool(every.isfinite().all()):
        raise ConfigError(f"in {steps} steps gradients exceed the largest number there is: give fewer steps")
    return every / every[:, :1]


def weight_gradients(matrices: Tensor, steps: int = 50, activation: Activation = "relu", seed: int = 0) -> Tensor:
    """The gradient in W itself, `[S, H, H]`, float64: dL/dW is the sum of what it is at each step.

    L is the state at the last step times the vector that `gradient_norms` puts in; arguments and errors are its, too.
    """
    matrices = _checked(matrices, activation)
    chance = torch.Generator().manual_seed(seed)
    states = _states(matrices, steps, activation, chance)
    gradient = torch.randn(states[-1].shape, generator=chance, dtype=torch.float64)
    total = torch.zeros_like(matrices)
    for h, before in zip(reversed(states[1:]), reversed(states[:-1]), strict=True):
        inner = _slope(h, activation) * gradient
        total += inner @ before.mT
        gradient = matrices.mT @ inner
    return total


def _checked(matrices: Tensor, activation: Activation) -> Tensor:
    if activation not in ("relu", "linear", "tanh"):
        raise ConfigError(f"there is no activation {activation!r}: relu, linear, tanh")
    if matrices.dim() != 3 or matrices.shape[1] != matrices.shape[2]:
        raise ShapeError(f"matrices have shape {list(matrices.shape)}: give [S, H, H]")
    return matrices.double()


def _states(matrices: Tensor, steps: int, activation: Activation, chance: torch.Generator) -> list[Tensor]:
    """The states from the one before the first step on, each `[S, H, 1]`."""
    states = [torch.randn(*matrices.shape[:2], 1, generator=chance, dtype=torch.float64)]
    for _ in range(steps):
        h = matrices @ states[-1]
        states.append(h if activation == "linear" else h.relu() if activation == "relu" else h.tanh())
    return states


def _slope(h: Tensor, activation: Activation) -> Tensor:
    """f'(.), from h = f(.)."""
    match activation:
        case "relu":
            return (h > 0).double()
        case "tanh":
            return 1 - h * h
        case _:
            return torch.ones_like(h)


def random_matrices(count: int, hidden: int = 5, radius: float | None = None, seed: int = 0) -> Tensor:
    """Normal matrices `[S, H, H]`, float64; `radius`: scaled so that the largest eigenvalue has that size."""
    chance = torch.Generator().manual_seed(seed)
    made = torch.randn(count, hidden, hidden, generator=chance, dtype=torch.float64)
    if radius is None:
        return made
    largest = torch.linalg.eigvals(made).abs().amax(dim=1)
    scaled: Tensor = made * (radius / largest)[:, None, None]
    return scaled


@dataclass(frozen=True)
class Fate:
    """What became of the gradient in many networks: the shares in which it vanished, exploded, is exactly 0.

    `median`: of the last norms relative to the first. Where it is 0 (dead ReLUs) it has vanished, too.
    """

    radius: float | None
    vanished: float
    exploded: float
    dead: float
    median: float


def fates(
    radii: tuple[float | None, ...] = (None, 0.9, 1.0, 1.1, 2.0),
    *,
    seeds: int = 300,
    hidden: int = 5,
    steps: int = 50,
    activation: Activation = "relu",
    seed: int = 0,
) -> list[Fate]:
    """The table of the demonstration: for each spectral radius (None: as drawn), what becomes of the gradient.

    Raises:
        ConfigError: no such activation, or a number out of range.
    """
    check_sizes(radii, seeds=seeds, hidden=hidden, steps=steps)
    table = []
    for radius in radii:
        last = gradient_norms(random_matrices(seeds, hidden, radius, seed), steps, activation, seed + 1)[:, -1]
        shares = [(last < VANISHED), (last > EXPLODED), (last == 0)]
        vanished, exploded, dead = (float(one.double().mean()) for one in shares)
        table.append(Fate(radius, vanished, exploded, dead, float(last.median())))
    return table


def check_sizes(radii: Sequence[float | None] = (), **numbers: int) -> None:
    """Check what random networks are asked for.

    Raises:
        ConfigError: a radius that is no size, or a number below 1.
    """
    for name, value in numbers.items():
        if value < 1:
            raise ConfigError(f"{name}={value}: give a whole number from 1 on")
    if any(radius is not None and not 0 < radius < float("inf") for radius in radii):
        raise ConfigError(f"radii {radii}: give sizes above 0, or None for matrices as they are drawn")


def signal(model: nn.Module, *inputs: Any, value: str, at: int | None = None, seed: int = 0, **options: Any) -> Values:
    """A gradient that is put in at one step, on its way back: dL/d(value) at every step, `[T, B, units]`.

    L is what the value's recurrent module gives out at that step times a normal vector: nothing but recurrence is in
    between. (The lecture's "cute backprop signal video".)

    Args:
        model: any module with recurrent layers of Unrolled within.
        *inputs: what it is called with.
        **options: the same, by name.
        value: the address of the value, `layer0.c`.
        at: the step; None: where each row ends, in the direction of the value (by the first of the states).
        seed: of the vector.

    Raises:
        AddressError: there is no such value, or it is several.
    """
    found = find(value, names_of(model))
    if len(found) > 1:
        raise AddressError(f"{value!r} names {len(found)} values: give one")
    module = modules_of(model)[found[0].place.path]
    assert isinstance(module, nn.Module)
    seen: list[Any] = []
    hook = module.register_forward_hook(lambda _, __, output: seen.append(output))

    def put_in(_: Any) -> Tensor:
        if not seen:
            raise ConfigError(f"{value}: its layer did not run")
        place = found[0].place
        came = _last_of(module, seen[-1], place) if at is None else _output_at(module, seen[-1], at)
        chance = torch.Generator().manual_seed(seed)
        return (came * torch.randn(came.shape, generator=chance).to(came)).sum()

    try:
        traced = trace(model, *inputs, names=[value], gradients=True, loss=put_in, **options)
    finally:
        hook.remove()
    assert traced.gradients is not None
    return traced.gradients[value]


def _output_at(module: nn.Module, output: Any, step: int) -> Tensor:
    steps: Tensor = output[0]
    return (steps.transpose(0, 1) if getattr(module, "batch_first", False) else steps)[step]


def _last_of(module: Any, output: Any, place: Place) -> Tensor:
    """The first state of the last layer, in the direction of that place, as a run leaves it behind.

    (The other direction ends where this one begins: what is put in there has not gone back.)
    """
    if isinstance(module, nn.RNNCellBase):
        last: Tensor = output if isinstance(output, Tensor) else output[0]
        return last
    states = output[1]
    if isinstance(states, Mapping):
        states = next(iter(states.values()))
    elif isinstance(states, tuple):
        states = states[0]
    return cast(Tensor, states[int(place.is_reverse) - len(module.stack()[-1])])


def reach(gradients: Tensor, at: int = -1, least: float = 0.01) -> int:
    """How many steps back a signal reaches: the last at which it has at least that share of the norm where it began.

    gradients: `[T, B, U]`, of `signal`; `at`: where it was put in. The mean over rows counts.
    """
    norms = gradients.as_subclass(Tensor).double().norm(dim=2).mean(dim=1)
    back = norms[: len(norms) + at + 1 if at < 0 else at + 1].flip(0)
    above = torch.nonzero(back >= least * back[0]).flatten()
    return int(above.max()) if len(above) and back[0] > 0 else 0
