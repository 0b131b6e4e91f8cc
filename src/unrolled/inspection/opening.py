"""A stranger's model, given eyes: its recurrent layers become ours, where they stand. Knows torch's layers, no text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import nn

from unrolled.errors import ConfigError
from unrolled.layers import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell, Watchable

Model = TypeVar("Model", bound=nn.Module)

_OURS: dict[type[nn.Module], type[nn.Module]] = {
    nn.RNN: RNN, nn.LSTM: LSTM, nn.GRU: GRU, nn.RNNCell: RNNCell, nn.LSTMCell: LSTMCell, nn.GRUCell: GRUCell,
}  # fmt: skip


def open(model: Model) -> Model:  # noqa: A001 (what it does)
    """Make the recurrent layers of a model such as can be looked into: `nn.RNN`, `LSTM`, `GRU` and their cells.

    They stay what they are: the same modules, parameters, hooks and `state_dict`, the same outputs and gradients but
    for rounding. A class derived from them stays one. The model is changed, and given back; `close` undoes it.

    Raises:
        ConfigError: it is no module, a compiled one (TorchScript), or has no recurrent layer.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"open takes an nn.Module, not {type(model).__name__}")
    found = [module for module in model.modules() if isinstance(module, (*_OURS, Watchable))]
    if not found:
        compiled = any(isinstance(module, torch.jit.ScriptModule) for module in model.modules())
        why = "it is compiled (TorchScript): open the model that it was made from" if compiled else "it has none"
        raise ConfigError(f"there is no recurrent layer in this model that could be opened: {why}")
    for module in found:
        if not isinstance(module, Watchable):
            module.__class__ = _opened(type(module))  # type: ignore[arg-type]  # (a class can be hashed)
    return model


def close(model: Model) -> Model:
    """Undo `open`: each layer is of the class that it was of."""
    for module in model.modules():
        before = getattr(type(module), "_before_opening", None)
        if before is not None:
            module.__class__ = before
    return model


@lru_cache(maxsize=256)
def _opened(kind: type[nn.Module]) -> type[nn.Module]:
    """A class that is the given one, but runs as ours does."""
    ours = next(ours for theirs, ours in _OURS.items() if issubclass(kind, theirs))
    bases = (ours,) if kind in _OURS else (kind, ours)
    labels: dict[str, Any] = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind.__name__, bases, {**labels, "_before_opening": kind})
