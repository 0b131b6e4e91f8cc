"""Recurrent layers made of weights, in torch's layout and in Keras's. Knows names and shapes, no files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import CheckpointError
from unrolled.layers import GRU, LSTM, RNN, GRUCell, LSTMCell, Recurrent, RNNCell

# PATH.weight_ih_l0_reverse, or PATH/recurrent_kernel:0
PATTERN = (
    r"^(?:(?P<path>.*)[./])?(?P<own>(?:(?:weight|bias)_[ih]h|weight_hr)(?:_l(?P<layer>[0-9]{1,4})(?:_reverse)?)?"
    r"|(?:recurrent_)?kernel|bias)(?::0)?$"
)
_KERAS = ("kernel", "recurrent_kernel", "bias")
_LAYERS: dict[int, tuple[type[nn.Module], type[nn.Module]]] = {
    1: (RNN, RNNCell),
    3: (GRU, GRUCell),
    4: (LSTM, LSTMCell),
}  # fmt: skip  (by how many gates stand one below the other)
_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def grouped(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, str]]:
    """The recurrent layers among tensors: the path of each -> the layer's own names -> the names as they were given."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name in tensors:
        if match := re.match(PATTERN, name):
            found[(match["path"] or "").replace("/", ".")][match["own"]] = name
    groups = {}
    for path, names in found.items():
        is_torchs = any(own.startswith("weight_hh") for own in names)
        is_keras = "recurrent_kernel" in names and tensors[names["recurrent_kernel"]].dim() == 2
        if is_torchs or is_keras:
            groups[path] = {own: name for own, name in names.items() if (own in _KERAS) != is_torchs}
    return groups


def layer_of(weights: Mapping[str, Tensor], *, activation: str, batch_first: bool) -> nn.Module:
    """The layer that has these weights, by its own names for them.

    Raises:
        CheckpointError: they make none.
    """
    types = {one.dtype for one in weights.values()}
    if len(types) > 1 or not types <= set(_TYPES):
        wanted = ", ".join(map(str, _TYPES))
        raise CheckpointError(
            f"its weights are {', '.join(sorted(map(str, types)))}: give one type for all of {wanted}"
        )
    if "recurrent_kernel" not in weights:
        return _from_torch(weights, activation=activation, batch_first=batch_first)
    kernel, recurrent = _keras_matrices(weights)
    bias = weights.get("bias")
    if len(recurrent) == 3 * recurrent.shape[1] and bias is not None and bias.dim() == 1:
        return _reset_before(kernel, recurrent, bias, batch_first=batch_first)
    torchs = _from_keras(kernel, recurrent, bias)
    return _from_torch(torchs, activation=activation, batch_first=batch_first)


def _from_torch(weights: Mapping[str, Tensor], *, activation: str, batch_first: bool) -> nn.Module:
    """A layer or a cell of the sizes that its weights have."""
    is_cell = "weight_hh" in weights
    end = "" if is_cell else "_l0"
    x, h = (_matrix(weights, f"weight_{one}h{end}") for one in "ih")
    projection = _matrix(weights, "weight_hr_l0") if "weight_hr_l0" in weights else None
    hidden = h.shape[1] if projection is None else projection.shape[1]
    kinds = _LAYERS.get(len(h) // hidden) if hidden and len(h) % hidden == 0 else None
    if kinds is None:
        raise CheckpointError(
            f"weight_hh{end} is {list(h.shape)}, of {hidden} units: an RNN has 1, a GRU 3, an LSTM 4 rows for each"
        )
    options: dict[str, Any] = {"bias": f"bias_ih{end}" in weights, "device": "meta", "dtype": h.dtype}
    if kinds[0] is RNN:
        options["nonlinearity"] = activation
    if not is_cell:
        options |= {"batch_first": batch_first, **_extent(weights)}
    if projection is not None:
        options["proj_size"] = len(projection)
    return _filled(kinds[is_cell], (x.shape[1], hidden), options, weights)


def _extent(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """How many layers there are, in how many directions."""
    numbers = {int(match["layer"]) for name in weights if (match := re.match(PATTERN, name)) and match["layer"]}
    if missing := set(range(max(numbers))) - numbers:
        raise CheckpointError(f"its layers go up to l{max(numbers)}, and l{min(missing)} is missing")
    return {"num_layers": len(numbers), "bidirectional": any(name.endswith("_reverse") for name in weights)}


def _filled(
    kind: type[nn.Module], sizes: Iterable[int], options: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> nn.Module:
    """A module made without memory, and given these parameters."""
    try:
        made = kind(*sizes, **options)
        made.load_state_dict(weights, assign=True)
    except (RuntimeError, ValueError, TypeError) as error:
        told = " ".join(str(error).split())
        raise CheckpointError(f"its weights do not fit each other: {told}") from error
    return made


def _matrix(weights: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in weights:
        raise CheckpointError(f"{name} is missing; there are {', '.join(sorted(weights))}")
    if weights[name].dim() != 2:
        raise CheckpointError(f"{name} is {list(weights[name].shape)}: it has to be a matrix")
    return weights[name]


def _keras_matrices(weights: Mapping[str, Tensor]) -> list[Tensor]:
    """The two matrices as torch has them, the gates of a GRU in its order: r z n for Keras's z r h."""
    matrices = [_matrix(weights, name).T.contiguous() for name in ("kernel", "recurrent_kernel")]
    is_gru = len(matrices[1]) == 3 * matrices[1].shape[1]
    return [_in_order(one) for one in matrices] if is_gru else matrices


def _in_order(gates: Tensor) -> Tensor:
    """The three gates of a GRU, along the first dimension."""
    if len(gates) % 3:
        raise CheckpointError(f"{list(gates.shape)} cannot be cut into the three gates of a GRU")
    z, r, n = gates.chunk(3)
    return torch.cat([r, z, n])


def _from_keras(kernel: Tensor, recurrent: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    """By torch's names; Keras's LSTM has torch's order of gates, i f g o."""
    weights = {"weight_ih_l0": kernel, "weight_hh_l0": recurrent}
    if bias is None:
        return weights
    if bias.dim() == 2:  # a GRU that resets after the product has a bias for each
        x, h = (_in_order(one) for one in bias) if len(bias) == 2 else (bias, bias)
        return {**weights, "bias_ih_l0": x.clone(), "bias_hh_l0": h.clone()}
    return {**weights, "bias_ih_l0": bias, "bias_hh_l0": torch.zeros_like(bias)}


def _reset_before(kernel: Tensor, recurrent: Tensor, bias: Tensor, *, batch_first: bool) -> nn.Module:
    """A GRU that resets before the product: `unrolled.cells.gru_v3`."""
    hidden = recurrent.shape[1]
    parts = {}
    for value, tensor in {"x": kernel, "h": recurrent, "bias": _in_order(bias)}.items():
        parts[value] = tensor[: 2 * hidden], tensor[2 * hidden :]
    weights = {}
    for place, (gate, past) in enumerate((("r", "h"), ("n", "1"))):
        weights[f"layer0.weight_{gate}_x"], weights[f"layer0.weight_{gate}_{past}"] = (
            parts["x"][place],
            parts["h"][place],
        )
        weights[f"layer0.bias_{gate}_x"] = parts["bias"][place]
        weights[f"layer0.bias_{gate}_{past}"] = torch.zeros_like(parts["bias"][place])
    options = {"batch_first": batch_first, "device": "meta", "dtype": kernel.dtype}
    return _filled(Recurrent, ("gru_v3", kernel.shape[1], hidden), options, weights)  # type: ignore[arg-type]
