"""An ONNX graph in the making: calls of operators, constants, inputs and outputs, as plain data. Knows no models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = Literal["float32", "int32", "int64", "bool"]
TYPES: Mapping[Numbers, int] = {"float32": 1, "int32": 6, "int64": 7, "bool": 9}  # as onnx.TensorProto counts them


@dataclass(frozen=True)
class Call:
    """An operator of ONNX on values, all by their names; an operand that is left out has the name ""."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Port:
    """A value that comes in or goes out. A size is a number, or a letter where it can be any from 1."""

    name: str
    numbers: Numbers
    shape: tuple[int | str, ...]


class Sheet:
    """What a graph of ONNX is made of, written down in the order in which it runs.

    A sheet within another one is the body of a loop: it sees the values around it. Names are unique among all sheets
    that belong together, and constants are kept on the outermost.
    """

    def __init__(self, around: Sheet | None = None) -> None:
        self.inputs: list[Port] = []
        self.outputs: list[Port] = []
        self.calls: list[Call] = []
        self.constants: dict[str, NDArray[Any]] = {} if around is None else around.constants
        self._taken: set[str] = set() if around is None else around._taken
        self._known: dict[tuple[Any, ...], str] = {} if around is None else around._known

    def input(self, name: str, numbers: Numbers, shape: tuple[int | str, ...]) -> str:
        """A value that comes in."""
        name = self._fresh(name)
        self.inputs.append(Port(name, numbers, shape))
        return name

    def output(self, name: str, value: str, numbers: Numbers, shape: tuple[int | str, ...]) -> None:
        """A value that goes out, under that name."""
        self.outputs.append(Port(self.call("Identity", value, name=name), numbers, shape))

    def call(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """The name of what an operator gives; `name`: how it is to be called, if nothing else is."""
        (result,) = self.calls_for(operator, *inputs, names=(name or operator.lower(),), **attributes)
        return result

    def calls_for(self, operator: str, *inputs: str, names: tuple[str, ...], **attributes: Any) -> list[str]:
        """The same for an operator that gives several values."""
        outputs = [self._fresh(name) for name in names]
        self.calls.append(Call(operator, inputs, tuple(outputs), attributes))
        return outputs

    def constant(self, values: Tensor | NDArray[Any], name: str = "constant") -> str:
        """The name of an array that is part of the file."""
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        name = self._fresh(name)
        self.constants[name] = np.ascontiguousarray(array) if array.ndim else array
        return name

    def whole(self, *numbers: int) -> str:
        """The name of a vector of whole numbers: axes, shapes."""
        return self._once(("whole", *numbers), np.array(numbers, dtype=np.int64))

    def number(self, number: float) -> str:
        """The name of a number."""
        return self._once(("number", float(number).hex()), torch.tensor(number, dtype=torch.float32).numpy())

    def _once(self, key: tuple[Any, ...], array: NDArray[Any]) -> str:
        if key not in self._known:
            self._known[key] = self.constant(array)
        return self._known[key]

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name
