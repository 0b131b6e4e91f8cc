"""Layers of the package torchrecurrent, on the weights of ours.

Imports torchrecurrent, an extra: only who has looked for it imports this. Knows our parameters by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torchrecurrent
from torch import Tensor

from benchmarks.measure import Answer
from benchmarks.work import Work, answer_of

# A layer and its options; for each of its arrays, which of our parameters stand in it, from the top: "" are zeros.
Places = Mapping[str, tuple[str, ...]]
LAYERS: dict[str, tuple[str, dict[str, Any], Places]] = {
    "mut1": ("MUT1", {}, {
        "weight_ih": ("weight_z", "weight_r_x", "weight_n_2"), "bias_ih": ("bias_z", "bias_r", ""),
        "weight_hh": ("weight_r_h", "weight_n"), "bias_hh": ("", "bias_n"),
    }),
    "mut2": ("MUT2", {}, {
        "weight_ih": ("weight_z_x", "weight_r", "weight_n_x"), "bias_ih": ("bias_z", "", ""),
        "weight_hh": ("weight_z_h", "weight_r_2", "weight_n_0"), "bias_hh": ("", "bias_r", "bias_n"),
    }),
    "mut3": ("MUT3", {}, {
        "weight_ih": ("weight_z_x", "weight_r_x", "weight_n_x"), "bias_ih": ("bias_z", "bias_r", ""),
        "weight_hh": ("weight_z_1", "weight_r_h", "weight_n_0"), "bias_hh": ("", "", "bias_n"),
    }),
    "ind_rnn": ("IndRNN", {"nonlinearity": "relu"}, {
        "weight_ih": ("weight_h",), "bias_ih": ("bias_h",), "vector_u": ("weight_h_2",), "bias_hh": ("",),
    }),
    "vanilla": ("PeepholeLSTM", {}, {
        "weight_ih": ("weight_i_x", "weight_f_x", "weight_z_x", "weight_o_x"),
        "weight_hh": ("weight_i_h", "weight_f_h", "weight_z_h", "weight_o_h"),
        "weight_ph": ("weight_i", "weight_f", "weight_o"),
        "bias_ih": ("bias_i", "bias_f", "bias_z", "bias_o"), "bias_hh": ("", "", "", ""),
    }),
}  # fmt: skip


def torchrecurrent_layer(name: str, work: Work) -> tuple[Callable[[], Answer], Callable[[Answer], Answer]]:
    """The work of a cell, to be timed; and what gives its gradients the names of our parameters."""
    kind, options, places = LAYERS[name]
    inputs, hidden = work.x.shape[-1], next(iter(work.state.values())).shape[-1]
    layer = getattr(torchrecurrent, kind)(inputs, hidden, **options)
    theirs = dict(layer.cells[0].named_parameters())
    _fill(theirs, places, work.parameters)
    leaves = {"x": work.x, **theirs}
    states = tuple(value.unsqueeze(0) for value in work.state.values())

    def run() -> Answer:
        output, last = layer(work.x, states if len(states) > 1 else states[0])
        last = last if isinstance(last, tuple) else (last,)
        after = {key: value.squeeze(0) for key, value in zip(work.state, last, strict=True)}
        return answer_of(output, after, leaves, work.of_output)

    return run, lambda answer: _renamed(answer, places)


@torch.no_grad()
def _fill(theirs: Mapping[str, Tensor], places: Places, ours: Mapping[str, Tensor]) -> None:
    for name, value in theirs.items():
        for part, source in zip(value.chunk(len(places[name])), places[name], strict=True):
            if source:
                part.copy_(ours[source])
            else:
                part.zero_()


def _renamed(answer: Answer, places: Places) -> Answer:
    named = dict(answer)
    for name, sources in places.items():
        parts = named.pop(f"gradient of {name}").chunk(len(sources))
        named |= {f"gradient of {source}": part for source, part in zip(sources, parts, strict=True) if source}
    return named
