"""Changing what a network computes while it runs: named values clamped, scaled or shifted. Knows modules and addresses.

The cell is written anew with the change in it (`equations.intervened`), so a changed network runs, samples and is
differentiated as any other, on any engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.engine import Program, State
from unrolled.equations import Array, Graph, intervened
from unrolled.errors import EquationError, ShapeError
from unrolled.inspection.addresses import Found, Place, find
from unrolled.inspection.tracing import directions_of, modules_of, names_of
from unrolled.layers import watching
from unrolled.layers.stack import Direction, Stack

Number = float | Tensor


@dataclass(frozen=True)
class Clamp:
    """The value is this one: a number, `[units]`, or `[T, B, units]` to patch in what was recorded elsewhere.

    steps: at which ones, counted from the begin of the block; None: at all of them.
    """

    by: Number
    steps: slice | None = None


@dataclass(frozen=True)
class Scale:
    """The value is multiplied by this one: a number or `[units]`."""

    by: Number
    steps: slice | None = None


@dataclass(frozen=True)
class Shift:
    """Added to the value: a number or `[units]`."""

    by: Number
    steps: slice | None = None


Change = Clamp | Scale | Shift
_NEUTRAL = {"scale": 1.0, "shift": 0.0, "mask": 0.0, "value": 0.0}
_KINDS: dict[type, str] = {Clamp: "set", Scale: "scale", Shift: "shift"}


@contextmanager
def intervene(model: nn.Module, changes: Mapping[str, Change | float]) -> Iterator[None]:
    """Within the block the model computes with changed values.

        with intervene(model, {"rnn.layer1.c[42]": 0.0, "rnn.layer0.f": Scale(0.5)}):
            output = model(x)

    What follows from a value, in the same step and in all later ones, follows from what it was changed into. A number
    alone clamps.

    Args:
        model: any module with recurrent layers of Unrolled within.
        changes: address -> what happens to these units.

    Raises:
        AddressError: there is no such value, or no such unit.
        EquationError: the value cannot be changed: it has no width.
        ShapeError: the change does not fit the value.
    """
    known = names_of(model)
    wanted: dict[Place, list[tuple[Found, Change]]] = defaultdict(list)
    for address, change in changes.items():
        for one in find(address, known):
            wanted[one.place].append((one, change if isinstance(change, Change) else Clamp(change)))
    modules = modules_of(model)
    changed = _Changes(wanted)
    with watching({modules[path]: partial(changed.stack, path) for path in {place.path for place in wanted}}):
        yield


class _Changes:
    """What happens to each layer while a block lasts."""

    def __init__(self, wanted: Mapping[Place, Sequence[tuple[Found, Change]]]) -> None:
        self._wanted = wanted
        self._made: dict[Place, tuple[Program, Program, list[Tensor]]] = {}

    def stack(self, path: str, stack: Stack) -> Stack:
        """The stack of a module with the changes in it."""
        changed = [list(layer) for layer in stack]
        for place, direction in directions_of(path, stack):
            if place in self._wanted:
                changed[place.layer][place.is_reverse] = self._direction(place, direction)
        return changed

    def _direction(self, place: Place, direction: Direction) -> Direction:
        before, program, arrays = self._made.get(place, (None, direction.program, []))
        if before is not direction.program:
            program, arrays = self._program(place, direction)
            self._made[place] = direction.program, program, arrays
        return replace(direction, program=program, parameters=[*direction.parameters, *arrays])

    def _program(self, place: Place, direction: Direction) -> tuple[Program, list[Tensor]]:
        """What runs in the place of a layer's program, and the parameters that it has besides."""
        program, like = direction.program, _like(direction)
        always: list[_Fitted] = []
        sometimes: list[_Fitted] = []
        for one, change in self._wanted[place]:
            differs = change.steps is not None or (isinstance(change.by, Tensor) and change.by.dim() > 1)
            (sometimes if differs else always).append(_Fitted(one, change, _width(program, one)))
        graph, arrays = _rewritten(program.graph, always, per_step=False)
        values = [_array(array, always, like.new_empty(_width_of(program, array.name))) for array in arrays]
        if arrays:
            program = Program(graph, program.input_size, program.hidden_size)
        return (_Patched(program, sometimes) if sometimes else program), values


class _Fitted:
    """A change of some units of a value that is so wide."""

    def __init__(self, found: Found, change: Change, width: int) -> None:
        self.name = found.name
        self.kind = _KINDS[type(change)]
        self.units = found.numbers(width)
        self.steps = change.steps
        where = f"{found.address}, {len(self.units)} units"
        try:
            self.by = (
                change.by if isinstance(change.by, Tensor) else torch.tensor(float(change.by), dtype=torch.float64)
            )
        except (TypeError, ValueError) as error:
            raise ShapeError(f"{where}: give a number, [units] or [T, B, units], not {change.by!r}") from error
        if self.by.dim() not in (0, 1, 3) or (self.by.dim() and self.by.shape[-1] != len(self.units)):
            raise ShapeError(f"{where}: give a number, [units] or [T, B, units], not {list(self.by.shape)}")
        if self.by.is_complex() or self.by.dtype == torch.bool or not bool(torch.isfinite(self.by).all()):
            raise ShapeError(f"{where}: give finite numbers")
        if self.steps is not None and any(end is not None and end < 0 for end in (self.steps.start, self.steps.stop)):
            raise ShapeError(f"{where}: steps count from 0: how long the run will be is not known yet")

    def kinds(self) -> tuple[str, ...]:
        """The arrays that it writes to."""
        return ("mask", "value") if self.kind == "set" else (self.kind,)

    def is_at(self, step: int) -> bool:
        """Whether it happens at that step."""
        if self.by.dim() == 3 and step >= len(self.by):
            return False
        return self.steps is None or step in range(*self.steps.indices(step + 1))

    def number(self, kind: str, step: int, like: Tensor) -> Tensor:
        """What stands in an array at its units."""
        if kind == "mask":
            return like.new_ones(())
        return (self.by[step] if self.by.dim() == 3 else self.by).to(like)


class _Patched(Program):
    """A program that computes with changed values at some steps."""

    def __init__(self, program: Program, changes: Sequence[_Fitted]) -> None:
        super().__init__(program.graph, program.input_size, program.hidden_size)
        self._changes = changes
        self._seen = 0
        graph, self._arrays = _rewritten(program.graph, changes, per_step=True)
        quiet, _ = _rewritten(program.expected.graph, changes, per_step=True)
        self._noisy, self._quiet = (Program(one, self.input_size, self.hidden_size) for one in (graph, quiet))

    def run(self, x: Tensor, state: State, parameters: Sequence[Tensor], **options: Any) -> tuple[Tensor, State]:
        """As `Program.run`; the steps go on from those of the run before."""
        noise = options.pop("noise", None)
        arrays = [self._array(array, x) for array in self._arrays]
        self._seen += len(x)
        program = self._quiet if noise is None else self._noisy
        return program.run(x, state, parameters, noise=[*(noise or ()), *arrays], **options)

    def forward_program(self, like: Tensor, parameters: Sequence[Tensor]) -> str:  # noqa: ARG002 (as Program has it)
        """Nothing: its arrays come from outside."""
        return "what it computes is changed at some steps only"

    def _array(self, array: Array, x: Tensor) -> Tensor:
        steps, batch = x.shape[:2]
        made = torch.full(
            (steps, batch, _width_of(self, array.name)), _NEUTRAL[array.kind], dtype=x.dtype, device=x.device
        )
        for t in range(steps):
            for change in self._changes:
                if change.name == array.name and array.kind in change.kinds() and change.is_at(self._seen + t):
                    made[t][:, change.units] = change.number(array.kind, self._seen + t, made)
        return made


def _rewritten(graph: Graph, changes: Sequence[_Fitted], *, per_step: bool) -> tuple[Graph, list[Array]]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for change in changes:
        if change.kind not in kinds[change.name]:
            kinds[change.name].append(change.kind)
    return intervened(graph, kinds, per_step=per_step)


def _array(array: Array, changes: Sequence[_Fitted], made: Tensor) -> Tensor:
    """What stands in a vector."""
    made.fill_(_NEUTRAL[array.kind])
    for change in changes:
        if change.name == array.name and array.kind in change.kinds():
            made[change.units] = change.number(array.kind, 0, made)
    return made


def _like(direction: Direction) -> Tensor:
    return next(iter(direction.parameters), torch.empty(0)).detach()


def _width(program: Program, found: Found) -> int:
    if program.graph.nodes[program.graph.names[found.name]].width is None:
        raise EquationError(f"{found.address} is no value with a width: it cannot be changed")
    return _width_of(program, found.name)


def _width_of(program: Program, name: str) -> int:
    width = program.graph.nodes[program.graph.names[name]].width
    assert width is not None
    return program.resolve(width)
