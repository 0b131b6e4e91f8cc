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
from unrolled.equations.operations import COMPARISONS
from unrolled.errors import EquationError, ShapeError
from unrolled.inspection.addresses import Found, Place, find
from unrolled.inspection.tracing import directions_of, modules_of, names_of, with_changes
from unrolled.layers import watching
from unrolled.layers.stack import Direction

Number = float | Tensor


@dataclass(frozen=True)
class Clamp:
    """The value is this one: a number, `[units]`, or `[T, B, units]` to patch in what was recorded elsewhere.

    steps: at which ones, counted from the begin of the block, through all calls; None: at all of them. Beyond the end
    of a `[T, B, units]` nothing is changed.
    """

    by: Number
    steps: slice | None = None


@dataclass(frozen=True)
class Scale:
    """The value is multiplied by this one; `by` and `steps` as in `Clamp`."""

    by: Number
    steps: slice | None = None


@dataclass(frozen=True)
class Shift:
    """Added to the value; `by` and `steps` as in `Clamp`."""

    by: Number
    steps: slice | None = None


Change = Clamp | Scale | Shift
_NEUTRAL = {"scale": 1.0, "shift": 0.0, "mask": 0.0, "value": 0.0}
_KINDS: dict[type, str] = {Clamp: "set", Scale: "scale", Shift: "shift"}


@contextmanager
def intervene(model: nn.Module, changes: Mapping[str, Change | float]) -> Iterator[None]:
    """Within the block the model computes with changed values, in this thread.

        with intervene(model, {"rnn.layer1.c[42]": 0.0, "rnn.layer0.f": Scale(0.5)}):
            output = model(x)

    What follows from a value, in the same step and in all later ones, follows from what it was changed into. A number
    alone clamps. Several changes of one value are made in their order, each of what the former ones made; those of an
    inner block come after those of an outer one.

    Steps are counted as the layer runs: a forward pass that is computed twice (torch.utils.checkpoint) counts twice.

    Args:
        model: any module with recurrent layers of Unrolled within.
        changes: address -> what happens to these units.

    Raises:
        AddressError: there is no such value, or no such unit.
        EquationError: the value cannot be changed: it has no width.
        ShapeError: the change does not fit the value.
    """
    modules = modules_of(model)
    places = {place: one for path, module in modules.items() for place, one in directions_of(path, module.stack())}
    known = names_of(model)
    wanted: dict[Place, list[_Fitted]] = defaultdict(list)
    for address, change in changes.items():
        for one in find(address, known):
            whole = change if isinstance(change, Change) else Clamp(change)
            wanted[one.place].append(_Fitted(one, whole, _width(places[one.place].program, one)))
    made = {place: _Changed(those).direction for place, those in wanted.items()}
    with watching({modules[path]: partial(with_changes, path, made) for path in {place.path for place in made}}):
        yield


class _Fitted:
    """A change of some units of a value that is so wide."""

    def __init__(self, found: Found, change: Change, width: int) -> None:
        self.name = found.name
        self.kind = _KINDS[type(change)]
        self.units = found.numbers(width)
        self.steps = change.steps
        self.where = f"{found.address}, {len(self.units)} units"
        self.by = self._number(change.by)
        if self.steps is not None and not _counts(self.steps):
            raise ShapeError(f"{self.where}: steps={self.steps!r}: give a slice that counts from 0, slice(3, 7)")

    def _number(self, by: Any) -> Tensor:
        wanted = "give a finite number, [units] or [T, B, units], on the CPU or where the model is"
        try:
            found = by if isinstance(by, Tensor) else torch.tensor(float(by), dtype=torch.float64, device="cpu")
            fits = found.dim() in (0, 3) or (found.dim() == 1 and len(found) == len(self.units))
            fits = fits and (found.dim() < 3 or found.shape[2] == len(self.units)) and not found.is_complex()
            fits = fits and found.dtype != torch.bool and bool(torch.isfinite(found).all())
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise ShapeError(f"{self.where}: {wanted}, not {by!r}") from error
        if not fits:
            raise ShapeError(f"{self.where}: {wanted}, not {found.dtype} {list(found.shape)}")
        return found

    @property
    def differs(self) -> bool:
        """Whether it is not the same at all steps."""
        return self.steps is not None or self.by.dim() == 3

    def is_at(self, step: int) -> bool:
        """Whether it happens at that step."""
        if self.by.dim() == 3 and step >= len(self.by):
            return False
        return self.steps is None or step in range(*self.steps.indices(step + 1))

    def number(self, kind: str, step: int, like: Tensor) -> Tensor:
        """What stands in an array at its units, one for all rows or for each."""
        if kind == "mask":
            return like.new_ones(())
        found = self.by[step] if self.by.dim() == 3 else self.by
        if found.dim() == 2 and found.shape[0] != like.shape[0]:
            raise ShapeError(f"{self.where}: there are numbers for {found.shape[0]} rows, and {like.shape[0]} are run")
        return found.to(like)


def _counts(steps: Any) -> bool:
    """Whether it is a slice that can be told before it is known how many steps there will be."""
    if not isinstance(steps, slice):
        return False
    ends = [end for end in (steps.start, steps.stop, steps.step) if end is not None]
    return all(isinstance(end, int) and end >= 0 for end in ends) and steps.step != 0


class _Changed:
    """What happens to one layer while a block lasts."""

    def __init__(self, changes: Sequence[_Fitted]) -> None:
        # a change of a value whose earlier changes differ from step to step comes after them, so it is one of them
        sometimes: list[_Fitted] = []
        for one in changes:
            if one.differs or any(one.name == other.name for other in sometimes):
                sometimes.append(one)
        self._always = [one for one in changes if one not in sometimes]
        self._sometimes = sometimes
        self._made: tuple[Program, Program, list[Array]] | None = None

    def direction(self, before: Direction) -> Direction:
        """The layer with the changes in it."""
        if self._made is None or self._made[0] is not before.program:
            self._made = (before.program, *self._program(before.program))
        _, program, arrays = self._made
        like = next(iter(before.parameters), torch.empty(0)).detach()
        values = [self._array(array, program, like) for array in arrays]
        return replace(before, program=program, parameters=[*before.parameters, *values])

    def _program(self, before: Program) -> tuple[Program, list[Array]]:
        """What runs in the place of a layer's program, and the arrays of the parameters that it has besides."""
        graphs = [before.graph, before.expected.graph]
        feeds: list[_Feed] = []
        if isinstance(before, _Patched):
            graphs, feeds = before.graphs, before.feeds
        constant = [_rewritten(graph, self._always, per_step=False) for graph in graphs]
        if self._sometimes:
            patched = [_rewritten(graph, self._sometimes, per_step=True) for graph, _ in constant]
            graphs = [graph for graph, _ in patched]
            feeds = [*feeds, _Feed(self._sometimes, patched[0][1])]
        else:
            graphs = [graph for graph, _ in constant]
        sizes = before.input_size, before.hidden_size
        return (_Patched(before, graphs, feeds) if feeds else Program(graphs[0], *sizes)), constant[0][1]

    def _array(self, array: Array, program: Program, like: Tensor) -> Tensor:
        """What stands in a vector."""
        made = like.new_full((_width_of(program, array.name),), _NEUTRAL[array.kind])
        change = self._always[array.change]
        made[change.units] = change.number(array.kind, 0, made)
        return made


class _Feed:
    """The arrays of changes that differ from step to step, as the steps go by."""

    def __init__(self, changes: Sequence[_Fitted], arrays: Sequence[Array]) -> None:
        self._changes = changes
        self._arrays = arrays
        self._seen = 0

    def next(self, program: Program, x: Tensor) -> list[Tensor]:
        """Those of the steps of x `[T, B, D]`, which are the next ones: each `[T, B, width]`."""
        made = [self._array(array, program, x) for array in self._arrays]
        self._seen += len(x)
        return made

    def _array(self, array: Array, program: Program, x: Tensor) -> Tensor:
        change = self._changes[array.change]
        made = x.new_full((*x.shape[:2], _width_of(program, array.name)), _NEUTRAL[array.kind])
        for t in range(len(x)):
            if change.is_at(self._seen + t):
                made[t][:, change.units] = change.number(array.kind, self._seen + t, made[t])
        return made


class _Patched(Program):
    """A program that computes with changed values at some steps.

    `graphs`: in training, and in evaluation; `feeds`: what their leaves of noise behind the cell's own are.
    """

    def __init__(self, before: Program, graphs: Sequence[Graph], feeds: Sequence[_Feed]) -> None:
        super().__init__(before.graph, before.input_size, before.hidden_size)
        self.graphs = list(graphs)
        self.feeds = list(feeds)
        self._noisy, self._quiet = (Program(one, self.input_size, self.hidden_size) for one in graphs)

    def run(self, x: Tensor, state: State, parameters: Sequence[Tensor], **options: Any) -> tuple[Tensor, State]:
        """As `Program.run`; the steps go on from those of the run before."""
        noise = options.pop("noise", None)
        arrays = [array for feed in self.feeds for array in feed.next(self._quiet, x)]
        program = self._quiet if noise is None else self._noisy
        return program.run(x, state, parameters, noise=[*(noise or ()), *arrays], **options)

    def forward_program(self, like: Tensor, parameters: Sequence[Tensor]) -> str:  # noqa: ARG002 (as Program has it)
        """Nothing: its arrays come from outside."""
        return "what it computes is changed at some steps only"


def changeable(model: nn.Module) -> set[str]:
    """The addresses of the values that can be changed: all but comparisons, and numbers that never change."""
    found = set()
    for path, module in modules_of(model).items():
        for place, direction in directions_of(path, module.stack()):
            graph = direction.program.graph
            nodes = {name: graph.nodes[at] for name, at in graph.names.items()}
            usable = [name for name, node in nodes.items() if node.width and node.operation not in COMPARISONS]
            found |= {f"{place}.{name}" for name in usable}
    return found


def _rewritten(graph: Graph, changes: Sequence[_Fitted], *, per_step: bool) -> tuple[Graph, list[Array]]:
    return intervened(graph, [(one.name, one.kind) for one in changes], per_step=per_step)


def _width(program: Program, found: Found) -> int:
    if program.graph.nodes[program.graph.names[found.name]].width is None:
        raise EquationError(f"{found.address} is no value with a width: it cannot be changed")
    return _width_of(program, found.name)


def _width_of(program: Program, name: str) -> int:
    width = program.graph.nodes[program.graph.names[name]].width
    assert width is not None, "whoever asks has looked"
    return program.resolve(width)
