"""A stranger's model, given eyes: its recurrent layers become ours, where they stand. Knows torch's layers, no text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, overload

import torch
from torch import nn

from unrolled.errors import ConfigError
from unrolled.inspection.checkpoints import restored
from unrolled.layers import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell, Watchable

Model = TypeVar("Model", bound=nn.Module)

_OURS: dict[type[nn.Module], type[nn.Module]] = {
    nn.RNN: RNN, nn.LSTM: LSTM, nn.GRU: GRU, nn.RNNCell: RNNCell, nn.LSTMCell: LSTMCell, nn.GRUCell: GRUCell,
}  # fmt: skip


@overload
def open(model: Model) -> Model: ...  # noqa: A001
@overload
def open(  # noqa: A001
    model: str | os.PathLike[str] | Mapping[str, Any], *, activation: str = ..., batch_first: bool = ...
) -> nn.Module: ...
def open(  # noqa: A001 (what it does)
    model: Any, *, activation: str | None = None, batch_first: bool | None = None
) -> nn.Module:
    """Make the recurrent layers of a model, or of a checkpoint, such as can be looked into.

    **A model**: its `nn.RNN`, `LSTM`, `GRU` and their cells stay what they are: the same modules, parameters, hooks and
    `state_dict`, the same outputs and gradients but for rounding. A class derived from them stays one. The model is
    changed, and given back; `unrolled.inspection.close` undoes it.

    **A checkpoint**: a mapping of names to tensors or arrays (a `state_dict`), or a file with one: `.safetensors`,
    `.npz`, torch's `.pt`, `.pth`, `.bin` and `.ckpt`. A torch file is read by a child process that may do nothing else.
    Recurrent weights are found by their names and shapes, `rnn.weight_hh_l0` in torch's layout or
    `rnn/recurrent_kernel` in Keras's, and become layers where they stood, with copies of these weights in their type
    (`.float()` converts it). A layer that stands alone, without a path, is given back itself. `left_out` of what is
    given back has the names of all other tensors.

    What shapes do not say is taken as the libraries have it by default: the activation of an RNN, no dropout, and for
    a GRU of Keras's without a bias that it resets after the product. One with a bias that resets before it becomes
    `Recurrent("gru_v3")`. The backward half of Keras's `Bidirectional` is a layer of its own, to be given its input
    from the end.

    Args:
        model: the model, the mapping, or the path of the file.
        activation: for a checkpoint: that of an RNN, "tanh" (None) or "relu".
        batch_first: for a checkpoint: as torch.nn has it; None: false.

    Raises:
        ConfigError: it is none of these, a compiled model (TorchScript), one without recurrent layers, or an option
            cannot be used.
        CheckpointError: a file that cannot be read, or weights that make no recurrent layer.
    """
    if isinstance(model, str | os.PathLike | Mapping):
        return restored(model, activation=activation or "tanh", batch_first=bool(batch_first))
    if not isinstance(model, nn.Module):
        raise ConfigError(f"open takes an nn.Module, a state_dict or a path, not {type(model).__name__}")
    if activation is not None or batch_first is not None:
        raise ConfigError("activation= and batch_first= are for a checkpoint: the layers of a model have their own")
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
