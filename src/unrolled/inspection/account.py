"""What there is to see in a model that has run over a sequence, measured. Knows no files, and says nothing in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.errors import ConfigError
from unrolled.inspection.ablation import Ablated, ablate, means_of
from unrolled.inspection.backprop import backward_signals
from unrolled.inspection.behaviour import Behaviour, behaviours
from unrolled.inspection.finder import Finding, Units, find_cells
from unrolled.inspection.intervening import changeable
from unrolled.inspection.labels import Label
from unrolled.inspection.predictions import Predictions, predictions
from unrolled.inspection.reading import Expected, read, untrained
from unrolled.inspection.telling import Telling, telling_units
from unrolled.inspection.tracing import widths_of
from unrolled.models import LanguageModel

_NETWORKS = 3  # untrained ones, to compare with
_WINDOW, _ROWS = 200, 16  # characters through which gradients go back, and how many such pieces
_RUNNERS_UP = 8
_WIDEST = 256  # units of a fresh network

Say = Callable[[str], None]
Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Account:
    """What was found.

    step: what a step of the sequence is, "character" or "step". behaviours: of each layer. fresh: name of a cell ->
    dL/d(state) `[T, 1, U]`, going back through a network that has learned nothing, to compare with. symbols: what each
    step is, in letters, `[N]`; empty where nobody said. units: those worth looking at. labels, findings: of the
    symbols, and the units that tell them best. expected, ablated, predictions: of a language model; alphabet: of its
    ids.
    """

    step: str
    behaviours: list[Behaviour]
    fresh: dict[str, Tensor]
    symbols: Sequence[str]
    units: list[Telling]
    labels: list[Label] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    expected: Expected | None = None
    alphabet: Sequence[str] = ()
    ablated: Ablated | None = None
    predictions: Predictions | None = None

    def short(self, unit: str) -> str:
        """A unit's address, without the path of its module if the model has no other."""
        paths = {one.place.path for one in self.behaviours}
        path = paths.pop() if len(paths) == 1 else ""
        return unit.removeprefix(f"{path}.") if path else unit


def account(
    model: LanguageModel,
    ids: Tensor,
    alphabet: Sequence[str],
    learned: NDArray[np.int64],
    labels: Callable[[str], Sequence[Label]],
    say: Say,
) -> Account:
    """Look at a model while it reads a text that it was not trained on.

    Args:
        model: whose symbols are characters.
        ids: of the text, `[N]`.
        alphabet: the character of each id.
        learned: the ids of what the model was trained on.
        labels: what there is to look for in a text.
        say: is told what is going on.

    Raises:
        ConfigError: it would take more memory than there is, or the model's numbers are not finite.
        DataError: the text is too short to look for cells.
    """
    _check_memory(model, len(ids))
    text, words = (spelled(alphabet, one.tolist()) for one in (ids, learned))
    wanted = labels(text)
    say("reading")
    seen = read(model, ids)
    check_finite(seen.values)
    units = Units.of(seen.values)
    findings = findings_of(model, units, wanted, lambda fresh: read(fresh, ids).values, say)
    chosen = telling_units(units, findings, wanted)
    say("holding units")
    can_be_held = changeable(model)
    held = [one.unit for one in chosen if one.unit.partition("[")[0] in can_be_held]
    ablated = ablate(model, ids, means_of(units.values, units.names, held))
    del units
    say("gates and gradients")
    layers = behaviours(model, seen.values, _pieces(ids))
    say("n-gram models of the training text")
    expected = predictions(seen.expected, text, ids, len(alphabet), (words, learned))
    return Account(
        "character", layers, fresh_signals(layers), text, chosen, list(wanted), findings, seen.expected, alphabet,
        ablated, expected,
    )  # fmt: skip


def _check_memory(model: nn.Module, steps: int) -> None:
    """Check that what is read fits: all values twice, of the network and of one that is untrained."""
    units = sum(widths_of(model).values())
    needed, memory = 4 * 4 * units * steps, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        most = steps * memory // needed
        raise ConfigError(
            f"to look at {units:,} values at {steps:,} steps takes {needed / 2**30:,.0f} GiB, this machine has"
            f" {memory / 2**30:,.0f}: let it read fewer, at most {most:,}"
        )


def spelled(alphabet: Sequence[str], ids: Sequence[int]) -> str:
    """Ids as text."""
    return "".join([alphabet[one] for one in ids])


def findings_of(
    model: Model, units: Units, labels: Sequence[Label], run: Callable[[Model], Mapping[str, Tensor]], say: Say
) -> list[Finding]:
    """Cells, held against those of untrained networks; `run` gives what such a network was meanwhile."""
    say(f"looking for cells, also in {_NETWORKS} untrained networks")
    others = (Units.of(run(untrained(model, 1000 + number))) for number in range(_NETWORKS))
    return find_cells(units, labels, others, more=_RUNNERS_UP)


def _pieces(ids: Tensor) -> Tensor:
    """Pieces of a text, evenly spread, side by side, `[T, B]`."""
    rows = max(1, min(_ROWS, len(ids) // _WINDOW))
    starts = torch.linspace(0, max(0, len(ids) - _WINDOW), rows).long()
    return torch.stack([ids[start : start + _WINDOW] for start in starts.tolist()], dim=1).long()


def fresh_signals(layers: Sequence[Behaviour]) -> dict[str, Tensor]:
    """How a gradient goes back through an RNN and an LSTM that are as wide as the last layer, and fresh."""
    if not layers or not layers[-1].signals:
        return {}
    steps, _, width = layers[-1].lasting()[1].shape
    signals = backward_signals(("rnn", "lstm"), min(width, _WIDEST), min(steps, _WINDOW))
    return {f"fresh {one.name}": one.gradients.flip(0)[:, None] for one in signals}


def check_finite(values: Mapping[str, Tensor]) -> None:
    """Check that there is something to be seen in what was recorded: address -> `[T, ...]`.

    Raises:
        ConfigError: a value is not finite; says where.
    """
    for address, value in values.items():
        is_bad = ~value.isfinite().flatten(1).all(dim=1) if value.numel() else torch.zeros(0, dtype=torch.bool)
        if is_bad.any():
            step = int(is_bad.nonzero()[0, 0])
            raise ConfigError(
                f"{address} is not finite at step {step}: in such numbers there is nothing to be seen. See to the"
                " weights, and to what the model is called with"
            )
