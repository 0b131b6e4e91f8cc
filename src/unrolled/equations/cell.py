"""Cells: a function marked with @cell, its states, its options and, on demand, its graph. Knows no layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from operator import attrgetter
from typing import Any, overload

from unrolled.equations.graph import Graph
from unrolled.equations.noise import NOISE_OPTIONS, check_rates, with_noise
from unrolled.equations.symbol import Symbol
from unrolled.equations.trace import trace
from unrolled.equations.width import H, Width
from unrolled.errors import CellError, EquationError, did_you_mean

Widths = Mapping[str, str | int]


class Cell:
    """A recurrent cell, written as an equation.

    The function's first argument is the input at one step, the others are the states; keyword arguments and
    arguments with a default are options. Calling a cell with options gives a variant of it:
    `lstm(forget_bias=1.0)`. Calling it on values inside another cell's function writes its equation there.

    Every cell has two more options, noise in training: `lstm(zoneout={"h": 0.05, "c": 0.5}, dropout=0.2)`.
    `zoneout` is how probable it is that a unit of a state stays as it was; `dropout` that a unit is zero, at all
    steps of a sequence, where a matrix multiplies it. A cell may have options of its own by these names.

    Raises:
        CellError: the function has no input or no state, or an option does not exist.
    """

    def __init__(self, function: Callable[..., Any], widths: Widths, options: Mapping[str, Any]) -> None:
        self.function = function
        self.widths = dict(widths)
        self.options = dict(options)
        self.input, self.states, self.defaults = _read_signature(function)
        self._graph: Graph | None = None
        self._check()

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.__name__

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return inspect.getdoc(self.function)

    @property
    def graph(self) -> Graph:
        """The graph of one step.

        Raises:
            EquationError: the function says what the language cannot; the message names the line.
        """
        if self._graph is None:  # (no cached_property: until Python 3.12 its lock may be held for ever in a fork)
            self._graph = self._traced()
        return self._graph

    def _traced(self) -> Graph:
        code = inspect.unwrap(self.function).__code__
        states = {state: self._width(state) for state in self.states}
        graph = trace(repr(self), partial(self.function, **self.own_options), code, self.input, states)
        return with_noise(graph, **self.noise) if self.noise else graph

    @property
    def own_options(self) -> dict[str, Any]:
        """The options that the function takes."""
        return {name: value for name, value in self.options.items() if name not in self.noise}

    @property
    def noise(self) -> dict[str, Any]:
        """The options that every cell has: those of its noise."""
        return {name: self.options[name] for name in self.noise_options if name in self.options}

    @property
    def noise_options(self) -> tuple[str, ...]:
        """The names of the options that every cell has, where the function has none of that name itself."""
        return tuple(name for name in NOISE_OPTIONS if name not in self.defaults)

    @overload
    def __call__(self, /, **options: Any) -> Cell: ...
    @overload
    def __call__(self, /, *values: Any, **options: Any) -> Any: ...
    def __call__(self, /, *values: Any, **options: Any) -> Any:
        """A variant with these options; or, on values inside another cell's function, its equation there."""
        variant = Cell(self.function, self.widths, {**self.options, **options})
        if not values:
            return variant
        if not all(isinstance(value, Symbol) for value in values):
            raise EquationError(
                f"the cell {self.name} was called on {type(values[0]).__name__}: a layer runs a cell on tensors,"
                f" unrolled.Recurrent({self.name}, input_size, hidden_size). Options go by name"
            )
        if variant.noise:
            raise EquationError(
                f"the cell {variant} is called inside another cell, where {' and '.join(variant.noise)} cannot be its"
                " option: give it to the cell outside, or write dropout(...) and zoneout(...) into the equation"
            )
        return self.function(*values, **variant.options)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.name}({told})" if told else self.name

    def __eq__(self, other: object) -> bool:
        mine = (self.function, self.widths, self.options)
        return isinstance(other, Cell) and mine == (other.function, other.widths, other.options)

    def __hash__(self) -> int:
        return hash(self.function)

    def __reduce__(self) -> tuple[Callable[..., Cell], tuple[Any, ...]]:
        """Pickled by the place where it is defined: the name there stands for the cell, not for its function."""
        return _defined, (self.function.__module__, self.function.__qualname__, self.options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Cell:
        return self

    def _width(self, state: str) -> Width:
        """The declared width of a state: a number of units, a text such as "2H", or the option that says it."""
        declared = self.widths.get(state)
        if isinstance(declared, str) and declared in self.defaults:
            declared = self.options.get(declared, self.defaults[declared])
        if declared is None:
            return H
        if type(declared) is int and declared >= 1:
            return Width(units=declared)
        width = Width.parse(declared) if isinstance(declared, str) else Width()
        if width and width.input == 0:
            return width
        raise CellError(
            f"cell {self}: the state {state} cannot be {declared!r} wide: give a whole number of units, or '2H'"
        )

    def _check(self) -> None:
        for option in self.options:
            known = (*self.defaults, *self.noise_options)
            if option not in known:
                raise CellError(
                    f"cell {self.name} has no option {option!r}; its options: {', '.join(known)}."
                    + did_you_mean(option, known)
                )
        for state in self.widths:
            if state not in self.states:
                raise CellError(f"cell {self.name} declares the width of {state!r}, which is not one of its states")
        check_rates(self.states, **self.noise)


def _defined(module: str, name: str, options: Mapping[str, Any]) -> Cell:
    """The cell that a module defines under that name, with these options."""
    found = attrgetter(name)(import_module(module))
    if not isinstance(found, Cell):
        raise CellError(f"{module}.{name} is no cell: a cell can be unpickled only where its module defines it")
    return found(**options)


@overload
def cell(function: Callable[..., Any], /) -> Cell: ...
@overload
def cell(*, widths: Widths) -> Callable[[Callable[..., Any]], Cell]: ...
def cell(
    function: Callable[..., Any] | None = None, /, *, widths: Widths | None = None
) -> Cell | Callable[[Callable[..., Any]], Cell]:
    """Mark a function as the equation of a cell.

    Args:
        function: takes the input at one step and the states; returns the new states in the same order, or an
            output and then the new states.
        widths: how wide states are that are not as wide as the hidden size: `{"h": 20}` units, `{"h": "2H"}`,
            or `{"h": "projection"}`, the option that says it (None: the hidden size).

    Raises:
        CellError: the function has no input or no state.
    """
    if function is None:
        return lambda function: Cell(function, widths or {}, {})
    return Cell(function, widths or {}, {})


def _read_signature(function: Callable[..., Any]) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """The input's name, the states' names and the options with their defaults."""
    if not inspect.isfunction(inspect.unwrap(function)):
        raise CellError(f"@cell marks a plain function, not {function!r}")
    places, options = [], {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise CellError(f"cell {function.__name__} takes {parameter}: name every state and every option")
        if parameter.default is not parameter.empty or parameter.kind is parameter.KEYWORD_ONLY:
            options[parameter.name] = parameter.default
        else:
            places.append(parameter.name)
    if len(places) < 2:
        raise CellError(
            f"cell {function.__name__} takes {', '.join(places) or 'nothing'}: a cell takes the input and at least"
            f" one state, as in def {function.__name__}(x, h)"
        )
    return places[0], tuple(places[1:]), options
