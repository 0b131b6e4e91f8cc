"""Every named value of every recurrent layer at every step, and its gradient. Knows modules and addresses, no text."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.engine import Recording
from unrolled.errors import AddressError, ConfigError, ShapeError
from unrolled.inspection.addresses import Found, Place, find
from unrolled.inspection.trace_files import TraceWriter, read
from unrolled.inspection.trace_index import Key, Stored
from unrolled.inspection.values import Values
from unrolled.layers import Watchable, watching
from unrolled.layers.stack import Direction, Stack

_MOST_BYTES = 4 * 2**30


class Trace(Mapping[str, Values]):
    """What was recorded: address -> values `[T, B, units]`, one step after the other, whatever the model's layout.

    `trace["rnn.layer0.f"]` or `trace["layer0.f"]` where the model has one recurrent module; `trace["layer0.c[42]"]` is
    one unit; `trace.gradients["layer0.f"]` is dL/df. A module that ran several times (a cell in a loop) has the steps
    of all its runs in their order.
    """

    def __init__(
        self,
        values: Mapping[Place, Mapping[str, Tensor]],
        units: Mapping[str, list[int]],
        gradients: Trace | None = None,
        output: Any = None,
    ) -> None:
        """`units`: address -> the numbers of the units that are there, where these are not all.

        `gradients`: of the same values, if they were asked for; `output`: what the model gave out.
        """
        self._values = {place: dict(named) for place, named in values.items()}
        self._units = units
        self.gradients = gradients
        self.output = output

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write it into a new folder: all but the model's output. `load` gives it back; no pickle is in it.

        Raises:
            TraceError: something lies there, or the disk refuses.
        """
        TraceWriter(Path(folder)).append(self._stored())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Trace:
        """The trace in a folder. Its values lie on the disk, and are read where they are looked at.

        `trace["layer0.c"][5_000_000:5_001_000]` reads a thousand steps. The folder has to stay as it is meanwhile.

        Raises:
            TraceError: there is none, or it is damaged.
        """
        stored = read(Path(folder))
        parts: list[tuple[dict[Place, dict[str, Tensor]], dict[str, list[int]]]] = [
            (defaultdict(dict), {}) for _ in "vg"
        ]
        for key, (tensor, units) in stored.items():
            values, numbers = parts[key.is_gradient]
            values[key.place][key.name] = tensor
            if units is not None:
                numbers[f"{key.place}.{key.name}"] = units
        plain, gradients = parts
        return cls(*plain, cls(*gradients) if gradients[0] else None)

    def _stored(self) -> dict[Key, Stored]:
        """All values, and their gradients behind them."""
        return {
            Key(place, name, is_gradient): Stored(tensor, trace._units.get(f"{place}.{name}"))
            for is_gradient, trace in ((False, self), (True, self.gradients))
            if trace is not None
            for place, named in trace._values.items()
            for name, tensor in named.items()
        }

    def __getitem__(self, address: str) -> Values:
        """The values of an address.

        Raises:
            AddressError: nothing was recorded there, or it names several values.
        """
        found = find(address, {place: list(named) for place, named in self._values.items()})
        if len(found) > 1:
            raise AddressError(f"{address!r} names {len(found)} values: give one, or loop over the trace")
        return self._of(found[0])

    def _of(self, one: Found) -> Values:
        tensor = self._values[one.place][one.name]
        kept = self._units.get(one.address, list(range(tensor.shape[-1])))
        if one.units is None:
            return Values.of(tensor, one.address, kept)
        wanted = one.numbers(max(kept) + 1)
        if missing := set(wanted) - set(kept):
            raise AddressError(f"{one.address}: unit {min(missing)} was not recorded")
        return Values.of(tensor[..., [kept.index(unit) for unit in wanted]], one.address, wanted)

    def __iter__(self) -> Iterator[str]:
        for place, named in self._values.items():
            for name in named:
                yield f"{place}.{name}"

    def __len__(self) -> int:
        return sum(len(named) for named in self._values.values())

    def __repr__(self) -> str:
        """What there is, a line a layer."""
        lines = []
        for place, named in self._values.items():
            shape = list(next(iter(named.values())).shape) if named else []
            lines.append(f"{place}: {', '.join(named)} {shape}")
        return "\n".join(["Trace", *lines])


def modules_of(model: nn.Module) -> dict[str, Watchable]:
    """The recurrent modules that can be looked into, by their paths; a module that stands at two has the first."""
    return {path: module for path, module in model.named_modules() if isinstance(module, Watchable)}


def names_of(model: nn.Module) -> dict[Place, list[str]]:
    """What can be recorded: the names of each recurrent layer's values, in the order in which they are computed."""
    return {
        place: list(direction.program.graph.names)
        for path, module in modules_of(model).items()
        for place, direction in directions_of(path, module.stack())
    }


def widths_of(model: nn.Module) -> dict[str, int]:
    """How many units each value has that is recorded when nobody says which: address -> units."""
    found = {}
    for path, module in modules_of(model).items():
        for place, direction in directions_of(path, module.stack()):
            for one in _all({place: direction.program.graph.names}):
                found[one.address] = _width(direction, one.name)
    return found


def _width(direction: Direction, name: str) -> int:
    graph = direction.program.graph
    width = graph.nodes[graph.names[name]].width
    return 1 if width is None else direction.program.resolve(width)


def directions_of(path: str, stack: Stack) -> Iterator[tuple[Place, Direction]]:
    """The places of a module's layers, each in its directions."""
    for layer, directions in enumerate(stack):
        for number, direction in enumerate(directions):
            yield Place(path, layer, is_reverse=number == 1), direction


def with_changes(path: str, changes: Mapping[Place, Callable[[Direction], Direction]], stack: Stack) -> Stack:
    """The stack of the module at that path, with other directions at some of its places."""
    made = [list(layer) for layer in stack]
    for place, direction in directions_of(path, stack):
        if place in changes:
            made[place.layer][place.is_reverse] = changes[place](direction)
    return made


def trace(
    model: nn.Module,
    *inputs: Any,
    names: Sequence[str] | None = None,
    gradients: bool = False,
    loss: Callable[[Any], Tensor] | None = None,
    steps: slice = slice(None),
    max_bytes: int = _MOST_BYTES,
    **options: Any,
) -> Trace:
    """Run a model and write down every named value of its recurrent layers at every step.

    The model runs as it is, in the mode in which it is; its parameters and their `.grad` stay as they are. What it runs
    in other threads, or by `stepper` and `generate`, is not seen. (For a model with an argument called `names`, `loss`,
    `steps`, `gradients` or `max_bytes`: a `Recorder` around the call.)

    Args:
        model: any module with recurrent layers of Unrolled within; `unrolled.open` makes torch's into such.
        *inputs: what the model is called with.
        **options: the same, by name.
        names: addresses of what is recorded (`layer0.f`, `*.c[42]`); None: all but the input and earlier bindings.
        gradients: the gradients of the loss in these values, too: total derivatives, through all that follows.
        loss: makes a number of what the model gives out.
        steps: which steps are kept.
        max_bytes: nothing is run that would write down more than that.

    Raises:
        AddressError: there is no such value, or nothing that could be recorded.
        ConfigError: gradients without a loss, or more than `max_bytes`.
        ShapeError: the loss is not one number, or a module ran with batches of different sizes.
    """
    if gradients and loss is None:
        raise ConfigError("gradients of what? Give loss=, a function that makes a number of what the model gives out")
    if gradients and torch.is_inference_mode_enabled():
        raise ConfigError("under torch.inference_mode there are no gradients")
    if not isinstance(steps, slice) or (steps.step is not None and steps.step <= 0):
        raise ConfigError(f"steps={steps!r}: give a slice, slice(10, 20), of a step above 0")
    recorder = Recorder(model, names, with_gradients=gradients, max_bytes=max_bytes, apart=True)
    with recorder.recording(), torch.set_grad_enabled(gradients):
        output = model(*inputs, **options)
        if loss is not None and gradients:
            recorder.derive(loss(output))
    return recorder.trace(steps, output)


class Recorder:
    """Writes down what the recurrent layers of a model compute while `recording()` lasts.

    `apart`: their parameters are leaves of their own meanwhile, so that nobody's `.grad` changes.
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str] | None = None,
        *,
        with_gradients: bool = False,
        max_bytes: int = _MOST_BYTES,
        apart: bool = False,
    ) -> None:
        if type(max_bytes) is not int or max_bytes < 0:
            raise ConfigError(f"max_bytes={max_bytes!r}: give a whole number")
        known = names_of(model)
        if not known:
            raise AddressError("the model has no recurrent layer that can be looked into: see unrolled.open")
        addresses = [names] if isinstance(names, str) else names
        found = _all(known) if addresses is None else _merged([one for each in addresses for one in find(each, known)])
        if not found:
            raise AddressError("names= has no address: leave it out for all values")
        self._modules = modules_of(model)
        self._with_gradients = with_gradients
        self._most = self._left = max_bytes
        self._apart = apart
        self._found = found
        self._calls: dict[Place, list[Recording]] = defaultdict(list)
        self._leaves: list[Tensor] = []
        self._writers: dict[Path, TraceWriter] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within the block, what the model computes is written down."""
        changes = {one.place: partial(self._watched, one.place) for one in self._found}
        with watching({module: partial(with_changes, path, changes) for path, module in self._modules.items()}):
            yield

    def derive(self, loss: Tensor) -> None:
        """Go back from a loss through all that was recorded."""
        if not isinstance(loss, Tensor) or loss.numel() != 1 or loss.is_complex():
            raise ShapeError("the loss is not one real number: loss= has to give a tensor with one element")
        leaves = [*self._leaves, *(leaf for calls in self._calls.values() for one in calls for leaf in one.leaves)]
        found = torch.autograd.grad(loss.sum(), leaves, allow_unused=True) if leaves and loss.requires_grad else ()
        if all(one is None for one in found):
            raise ConfigError("no gradient: the loss does not depend on any recurrent layer, or not by way of autograd")

    def trace(self, steps: slice = slice(None), output: Any = None) -> Trace:
        """What was written down so far."""
        gradients = self._joined(steps, of_gradients=True) if self._with_gradients else None
        return Trace(*self._joined(steps), None if gradients is None else Trace(*gradients), output)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Move what was written down so far to the disk, behind what this recorder has saved there before.

        So a text of any length is recorded in little memory, a piece at a time: `Trace.load(folder)` gives all of it.
        Gradients are those that were derived by then. Of a call that fails nothing is forgotten.

        Raises:
            TraceError: something else lies there, or the disk refuses.
            ShapeError: the rows of the batch, or the type of its numbers, are others than before.
        """
        path = Path(folder).absolute()
        trace = self.trace()
        if path not in self._writers:
            self._writers[path] = TraceWriter(path)
        self._writers[path].append(trace._stored())
        self.forget()

    def forget(self) -> None:
        """Let go of what was written down; there is room for `max_bytes` again."""
        self._calls.clear()
        self._leaves.clear()
        self._left = self._most

    def _watched(self, place: Place, direction: Direction) -> Direction:
        """A layer with somebody who writes down."""
        parameters = direction.parameters
        if torch.is_grad_enabled() and self._with_gradients:
            if self._apart:
                parameters = [one.detach().requires_grad_() for one in parameters]
            self._leaves += [one for one in parameters if one.requires_grad]
        return replace(direction, parameters=parameters, record=partial(self._begin, place, direction))

    def _begin(self, place: Place, direction: Direction, x: Tensor) -> Recording:
        """The record of a run of one layer."""
        names = tuple(dict.fromkeys(one.name for one in self._found if one.place == place))
        units = sum(_width(direction, name) for name in names)
        self._left -= x.shape[0] * x.shape[1] * units * x.element_size() * (2 if self._with_gradients else 1)
        if self._left < 0:
            raise ConfigError(
                f"{place}: {x.shape[0]:,} steps of {x.shape[1]:,} rows are more than max_bytes allows: choose names=, a"
                " shorter input, or a larger limit"
            )
        recording = Recording(names, self._with_gradients)
        if torch._C._current_graph_task_id() == -1:  # else it is computed again, on the way back (a checkpoint)
            self._calls[place].append(recording)
        return recording

    def _joined(
        self, steps: slice, *, of_gradients: bool = False
    ) -> tuple[dict[Place, dict[str, Tensor]], dict[str, list[int]]]:
        """All runs one after the other, and the units that were chosen."""
        values: dict[Place, dict[str, Tensor]] = defaultdict(dict)
        units: dict[str, list[int]] = {}
        for one in self._found:
            runs = [_of(recording, one.name, of_gradients=of_gradients) for recording in self._calls[one.place]]
            if not runs:
                continue
            if len({len(run[0]) for run in runs}) > 1:
                raise ShapeError(f"{one.place} ran with batches of different sizes: trace one call of it at a time")
            whole = runs[0] if len(runs) == 1 else torch.cat(runs)
            if steps != slice(None):
                whole = whole[steps].clone()  # (a view would keep the rest)
            if one.units is not None:
                units[one.address] = list(dict.fromkeys(one.numbers(whole.shape[-1])))
                whole = whole[..., units[one.address]]
            values[one.place][one.name] = whole
        return values, units


def _merged(found: Sequence[Found]) -> list[Found]:
    """Each value once, with all of its units that are meant."""
    merged: dict[str, Found] = {}
    for one in found:
        before = merged.get(one.address, one)
        together = None if before.units is None or one.units is None else (*before.units, *one.units)
        merged[one.address] = replace(before, units=together)
    return list(merged.values())


def _of(recording: Recording, name: str, *, of_gradients: bool) -> Tensor:
    value = recording.values[name]
    return recording.gradients.get(name, torch.zeros_like(value)) if of_gradients else value


def _all(known: Mapping[Place, Iterable[str]]) -> list[Found]:
    """Every name as it was bound last, but for the input's."""
    return [Found(place, name) for place, names in known.items() for name in names if "@" not in name and name != "x"]
