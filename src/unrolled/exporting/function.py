"""A function of a model in ONNX, and how one knows that it is the model's. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

from unrolled.exporting.sheet import Sheet

Arrays = Mapping[str, NDArray[Any]]


class Trial(NamedTuple):
    """What a function is given, and what the model itself says then: of each output, or of some.

    exact: what it would say without rounding, in float64.
    """

    inputs: Arrays
    expected: Arrays
    exact: Arrays


@dataclass(frozen=True)
class Function:
    """One graph of a model.

    name: "sequence" or "step". trials: for so many steps and rows, calls that follow each other. carried: of the
    outputs of a call, which are which inputs of the next, in whose trial they do not stand. written_as: what each
    layer's loop is.
    """

    name: str
    sheet: Sheet
    trials: Callable[[int, int], list[Trial]]
    carried: Mapping[str, str] = field(default_factory=dict)
    written_as: Mapping[str, str] = field(default_factory=dict)
