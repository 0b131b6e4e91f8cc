"""A recorded value: a tensor that knows where it is from. Knows no models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import ConfigError


class Values(Tensor):
    """A named value at every step, `[T, B, units]`: a tensor, with its address and the numbers of its units.

    Whatever is computed from it is a plain tensor.
    """

    address: str
    units: list[int]

    @staticmethod
    def of(tensor: Tensor, address: str, units: Sequence[int] | None = None) -> Values:
        """A tensor `[T, B, units]` with its labels; `units`: their numbers, where these are not all."""
        made = tensor.detach().as_subclass(Values)
        made.address = address
        made.units = list(range(tensor.shape[-1]) if units is None else units)
        return made

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What is computed is a plain tensor."""
        with torch._C.DisableTorchFunctionSubclass():
            return function(*args, **(kwargs or {}))

    def to_numpy(self) -> Any:
        """The numbers as a NumPy array `[T, B, units]`; bfloat16, which NumPy has not, as float32."""
        plain = self.as_subclass(Tensor)
        return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()

    def __deepcopy__(self, _: Any) -> Values:
        return Values.of(self.as_subclass(Tensor).clone(), self.address, self.units)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`: a row for each step and row of the batch, a column for each unit, `f[0]`, `f[1]` ...

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise ConfigError("to_pandas needs pandas: pip install pandas") from error
        steps, rows = self.shape[:2]
        index = pandas.MultiIndex.from_product([range(steps), range(rows)], names=["step", "row"])
        name = self.address.rpartition(".")[2]
        columns = [f"{name}[{unit}]" for unit in self.units]
        return pandas.DataFrame(self.to_numpy().reshape(steps * rows, -1), index=index, columns=columns)
