"""`Recurrent`: any cell over a sequence, stacked and in one or both directions. Knows no tasks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unrolled.cells import find
from unrolled.engine import Noise, Precision, Program, State
from unrolled.equations import Cell, Graph
from unrolled.errors import CellError, ConfigError, ShapeError
from unrolled.layers.initial import fill
from unrolled.layers.stack import Direction, Stack, check_state, run_stack, step_stack, zero_state
from unrolled.layers.stepper import Stepper
from unrolled.layers.watching import Watchable, as_watched
from unrolled.shapes import WHOLE_NUMBERS, check_shape, check_tensor, written

_MOST = 10**9  # of any size
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Recurrent(Watchable, nn.Module):
    """A recurrent layer, or a stack of them, made from the equation of a cell.

    Args:
        cell: a cell, its graph, or what `unrolled.cells.find` understands ("lstm", "my.py:cell").
        input_size: D, the width of the input at one step.
        hidden_size: H, which the widths of the cell are counted in.
        num_layers: how many layers stand on each other.
        bidirectional: a second set of cells reads from the end; its output stands behind the first's.
        batch_first: x is `[B, T, D]`, reset `[B, T]` and the output `[B, T, width]`.
        dropout: the probability with which a unit is dropped between two layers while training.
        device, dtype: of the parameters.

    Raises:
        CellError: no such cell or option.
        EquationError: the cell's function is not an equation.
        ShapeError: a size below 1, or a dropout that is no probability.
    """

    def __init__(
        self,
        cell: Cell | Graph | str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        batch_first: bool = False,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _check_sizes(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if not 0 <= dropout < 1:
            raise ShapeError(f"dropout={dropout}: give a probability, at least 0 and below 1")
        if dtype not in (None, *_DTYPES):
            raise ShapeError(f"dtype={dtype}: give one of {', '.join(map(str, _DTYPES))}")
        self.graph = _graph_of(cell)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.batch_first = batch_first
        self.dropout = dropout
        width = input_size
        program = Program(self.graph, width, hidden_size)
        for place in range(num_layers):
            if width != program.input_size:  # layers of one width share a program
                program = Program(self.graph, width, hidden_size)
            layer = _Parameters(program, device, dtype)
            if bidirectional:
                layer.add_module("reverse", _Parameters(program, device, dtype))
            self.add_module(f"layer{place}", layer)
            width = program.resolve(self.graph.output_width) * (2 if bidirectional else 1)
        self.output_size = width
        self.reset_parameters()

    def reset_parameters(self, *, only_stated: bool = False) -> None:
        """Draw every parameter's initial value again, from torch's default generator.

        `only_stated`: only where the cell states one (a forget bias, a gain, "orthogonal"); the others stay.
        """
        for module in self.modules():
            if isinstance(module, _Parameters):
                module.reset_parameters(only_stated=only_stated)

    def forward(
        self,
        x: Tensor,
        state: State | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | None = None,
        noise: Noise | None = None,
    ) -> tuple[Tensor, State]:
        """Run a sequence.

        Args:
            x: `[T, B, D]`.
            state: from an earlier call, to go on from there: name -> `[num_layers, B, width]`. None: zeros.
            lengths: `[B]`: how many steps of each row are real. The output past the end is zero, the state is
                that after the last real step.
            reset: `[T, B]` bool: where true, a new segment starts, from states of zero. It draws no mask anew.
            noise: which random numbers the cell's own noise (`dropout`, `zoneout`) is, in any mode: a run with the
                same `Noise` is the same run. None: in training a seed drawn from torch's default generator, in
                evaluation no noise but its mean. The layer's `dropout=` between layers has nothing to do with it.

        Returns:
            The output `[T, B, output_size]`, and the states after the last step: name -> `[L, B, width]`, where L
            counts layers times directions.

        Raises:
            ShapeError: another shape or type; a state for a bidirectional layer, which has none to go on from.
            ConfigError: `noise` is no `unrolled.Noise`.
        """
        if self.batch_first:
            x = x.transpose(0, 1) if isinstance(x, Tensor) and x.dim() == 3 else x
            reset = reset.transpose(0, 1) if isinstance(reset, Tensor) and reset.dim() == 2 else reset
        self._check_input(x, ("T", "B", self.input_size))
        steps, batch = x.shape[:2]
        if steps == 0:
            raise ShapeError("x has no time step: give at least one")
        stack = self.stack()
        if state is None:
            state = zero_state(stack, batch, x)
        elif self.bidirectional:
            raise ShapeError(
                "a bidirectional layer was given a state: its reverse direction starts at the end of the whole"
                " sequence, so a sequence cannot be carried on in pieces. Give it whole, with state=None"
            )
        check_state(stack, state, batch, x)
        output, final = run_stack(
            stack,
            x,
            state,
            lengths=None if lengths is None else check_lengths(lengths, steps, batch, x.device),
            reset=None if reset is None else _reset(reset, steps, batch, x.device),
            dropout=self.dropout if self.training else 0.0,
            noise=self._noise(noise),
        )
        return (output.transpose(0, 1) if self.batch_first else output), final

    def step(self, x: Tensor, state: State | None = None, noise: Noise | None = None) -> tuple[Tensor, State]:
        """Run one time step: x `[B, D]`, the output `[B, output_size]` and the new states.

        `noise` is that of `forward`: step 40 of a run is `Noise(seed, step=40)`. In training without it every call
        draws a seed of its own, and with it the masks that a whole sequence would share.

        Raises:
            ShapeError: another shape or type, or a bidirectional layer, which has to see the whole sequence.
        """
        if self.bidirectional:
            raise ShapeError("a bidirectional layer cannot run step by step: it has to see the whole sequence")
        self._check_input(x, ("B", self.input_size))
        stack = self.stack()
        if state is None:
            state = zero_state(stack, len(x), x)
        check_state(stack, state, len(x), x)
        dropout = self.dropout if self.training else 0.0
        return step_stack(stack, x, state, dropout=dropout, noise=self._noise(noise))

    def stepper(self, batch_size: int = 1, precision: Precision = "float32") -> Stepper:
        """What reads one step after the other, `[B, D]`, with a snapshot of the weights and states of zero.

        Raises:
            ShapeError: a bidirectional layer, or no batch size.
            ConfigError: no precision, or one that needs the native engine, which cannot run this.
        """
        like = next(self.parameters(), torch.empty(0))
        return Stepper(self.stack(), self.input_size, like.detach(), batch_size, precision)

    def plan(self, x: Tensor | None = None) -> dict[str, str]:
        """Which engine runs each layer, "native, avx512" or "reference: why", for an input like x, else float32's.

        Raises:
            ConfigError: the native engine is asked for, and cannot run this.
        """
        like = next(self.parameters(), torch.empty(0)) if x is None else x
        plans = {}
        for place, layer in enumerate(self.stack()):
            for direction, name in zip(layer, ("", ".reverse"), strict=False):
                plans[f"layer{place}{name}"] = direction.program.plan(like, direction.parameters)
        return plans

    def extra_repr(self) -> str:
        """The sizes, as torch.nn's layers print them."""
        parts = [self.graph.cell, str(self.input_size), str(self.hidden_size)]
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        parts += [f"{name}=True" for name in ("bidirectional", "batch_first") if getattr(self, name)]
        if self.dropout:
            parts.append(f"dropout={self.dropout}")
        return ", ".join(parts)

    def zero_state(self, batch_size: int) -> State:
        """The states from which a sequence starts: name -> zeros `[num_layers * directions, batch_size, width]`."""
        like = next(self.parameters(), torch.empty(0))
        return zero_state(self.stack(), batch_size, like)

    def layers(self) -> list[tuple[Program, Sequence[Tensor]]]:
        """What each layer computes, and its parameters in the order of the graph's slots.

        Raises:
            ShapeError: a bidirectional layer, which has two of each.
        """
        if self.bidirectional:
            raise ShapeError("a bidirectional layer has two programs for each layer")
        return [(direction.program, direction.parameters) for (direction,) in self.stack()]

    def _noise(self, given: Noise | None) -> Noise | None:
        """What the cell's noise is in this run; None: its mean."""
        if given is not None and not isinstance(given, Noise):
            raise ConfigError(f"noise is {given!r}: give unrolled.Noise(seed), or None")
        is_fresh = given is None and self.training and bool(self.graph.noise)
        return Noise.fresh() if is_fresh else given

    def stack(self) -> Stack:
        """What runs: the layers from the first to the last, each with its directions."""
        layers = [self.get_submodule(f"layer{place}") for place in range(self.num_layers)]
        stack = [
            [part.direction() for part in (layer, *layer.children()) if isinstance(part, _Parameters)]
            for layer in layers
        ]
        return as_watched(self, stack)

    def _check_input(self, x: Tensor, shape: tuple[int | str, ...]) -> None:
        check_tensor("x", x)
        check_shape("x", x.shape, shape)
        parameter = next(self.parameters(), None)
        if parameter is not None and parameter.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
            raise ShapeError(
                f"x is {x.dtype}, the layer's parameters are {parameter.dtype}: convert one, x.to({parameter.dtype})"
            )


class _Parameters(nn.Module):
    """The parameters of one layer in one direction, by the names that the graph gives them."""

    def __init__(self, program: Program, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.program = program
        for parameter, shape in zip(program.graph.parameters, program.parameter_shapes(), strict=True):
            self.register_parameter(parameter.name, nn.Parameter(_empty(parameter.name, shape, device, dtype)))

    def reset_parameters(self, *, only_stated: bool = False) -> None:
        """Draw the initial values."""
        for parameter in self.program.graph.parameters:
            fill(getattr(self, parameter.name), parameter, self.program.hidden_size, only_stated=only_stated)

    def extra_repr(self) -> str:
        """The parameters, with their shapes."""
        return ", ".join(
            f"{name} {written(tuple(value.shape))}" for name, value in self.named_parameters(recurse=False)
        )

    def direction(self) -> Direction:
        """What a stack needs to run this."""
        names = [parameter.name for parameter in self.program.graph.parameters]
        # by attribute, so that torch's parametrisations and functional_call can take a parameter's place
        return Direction(self.program, [getattr(self, name) for name in names])


def _empty(name: str, shape: tuple[int, ...], device: torch.device | str | None, dtype: torch.dtype | None) -> Tensor:
    try:
        return torch.empty(shape, device=device, dtype=dtype)
    except (MemoryError, OverflowError, RuntimeError) as error:
        raise ShapeError(f"there is no memory for {name}, {written(shape)}: {str(error).splitlines()[0]}") from error


def _graph_of(cell: Cell | Graph | str) -> Graph:
    if isinstance(cell, Graph):
        return cell
    found = find(cell) if isinstance(cell, str) else cell
    if not isinstance(found, Cell):
        raise CellError(
            f"{found!r} is no cell: give a function under @unrolled.cell, a graph, or a name such as 'lstm'"
        )
    return found.graph


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if type(size) is not int or not 1 <= size <= _MOST:
            raise ShapeError(f"{name}={size!r}: give a whole number from 1 to {_MOST:,}")


def check_lengths(lengths: Tensor | Sequence[int], steps: int, batch: int, device: torch.device) -> Tensor:
    """Lengths of `batch` rows of at most so many steps, as a tensor `[B]`.

    Raises:
        ShapeError: there are others.
    """
    try:
        given = torch.as_tensor(lengths if len(lengths) else torch.empty(0, dtype=torch.int64), device=device)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ShapeError(f"lengths are {lengths!r}: give one whole number of steps for each row") from error
    check_shape("lengths", given.shape, (batch,))
    if given.dtype not in WHOLE_NUMBERS:
        raise ShapeError(f"lengths are {given.dtype}: give whole numbers of steps, as int64")
    if batch and not (int(given.min()) >= 0 and int(given.max()) <= steps):
        raise ShapeError(f"lengths go from {int(given.min())} to {int(given.max())}, x has {steps} steps")
    return given


def _reset(reset: Tensor, steps: int, batch: int, device: torch.device) -> Tensor:
    check_tensor("reset", reset)
    check_shape("reset", reset.shape, (steps, batch))
    if reset.device != device:
        raise ShapeError(f"reset is on {reset.device}, x on {device}: put them in one place")
    if reset.dtype != torch.bool:
        raise ShapeError(f"reset is {reset.dtype}: give bools, true where a new segment starts")
    return reset
