"""A checkpoint, given eyes: its recurrent weights become layers at their places. Knows module trees, no formats."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from unrolled.errors import CheckpointError, ConfigError
from unrolled.inspection.layouts import PATTERN, grouped, layer_of
from unrolled.inspection.tracing import modules_of
from unrolled.inspection.weight_files import from_file, from_mapping, short

_ACTIVATIONS = ("tanh", "relu")
_SHOWN = 8  # names in an error
_DEEPEST = 100  # modules, one in the other


class Checkpoint(nn.Module):
    """The recurrent layers of a checkpoint, each where its weights stood; what else it held is `left_out`.

    Calling it runs the layer, if there is one only; of several, take one: `model.get_submodule("encoder.rnn")`.
    """

    left_out: Sequence[str] = ()

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """As the only layer.

        Raises:
            ConfigError: there are several.
        """
        layers = modules_of(self)
        if len(layers) > 1:
            raise ConfigError(
                f"of the layers {', '.join(layers)}, which? {next(iter(layers))} is one: get_submodule(path)"
            )
        (layer,) = layers.values()
        return layer(*inputs, **options)  # type: ignore[operator]


def restored(
    checkpoint: str | os.PathLike[str] | Mapping[str, Any], *, activation: str, batch_first: bool
) -> nn.Module:
    """What `open` makes of a checkpoint: see there."""
    if activation not in _ACTIVATIONS:
        raise ConfigError(f"activation={activation!r}: give one of {', '.join(_ACTIVATIONS)}")
    if isinstance(checkpoint, Mapping):
        weights = from_mapping(checkpoint, PATTERN)
    else:
        weights = from_file(Path(checkpoint), PATTERN)
    groups = grouped(weights.tensors)
    if not groups:
        raise CheckpointError(f"there are no recurrent weights in {weights.source}: it has {_listed(weights.names)}")
    model: nn.Module = Checkpoint()
    for path in sorted(groups):  # (an empty path is the first)
        own = {name: weights.tensors[given] for name, given in groups[path].items()}
        with _told_where(weights.source, path):
            layer = layer_of(own, activation=activation, batch_first=batch_first)
        if path:
            _put(model, path, layer)
        else:
            model = layer
    used = {name for names in groups.values() for name in names.values()}
    model.left_out = [name for name in weights.names if name not in used]  # type: ignore[assignment]
    return model


@contextmanager
def _told_where(source: str, path: str) -> Iterator[None]:
    """An error within the block says which weights it is about."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{source}{', ' if path else ''}{short(path)}: {error}") from error


def _put(model: nn.Module, path: str, layer: nn.Module) -> None:
    """Put a layer at its path, below modules that have nothing but layers."""
    *above, last = path.split(".")
    if len(above) > _DEEPEST:
        raise CheckpointError(f"a layer cannot stand at {short(path)!r}: {len(above):,} modules deep. Rename it")
    for name in above:
        if name not in dict(model.named_children()):
            _add(model, name, Checkpoint(), path)
        model = model.get_submodule(name)
    _add(model, last, layer, path)


def _add(model: nn.Module, name: str, module: nn.Module, path: str) -> None:
    if not name or hasattr(model, name):
        raise CheckpointError(
            f"a layer cannot stand at {short(path)!r}: torch has no place for {short(name)!r} there. Rename it"
        )
    model.add_module(name, module)


def _listed(names: list[str]) -> str:
    shown = ", ".join(short(name) for name in names[:_SHOWN]) or "no tensor"
    return shown + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
