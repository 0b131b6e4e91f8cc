"""What there is to see in a model that has run over a sequence, measured. Knows no files, and says nothing in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.errors import ConfigError
from unrolled.inspection.ablation import Ablated, ablate, means_of
from unrolled.inspection.backprop import backward_signals
from unrolled.inspection.behaviour import Behaviour, behaviours
from unrolled.inspection.finder import FEWEST, Finding, Units, find_cells
from unrolled.inspection.intervening import changeable
from unrolled.inspection.labels import Label
from unrolled.inspection.predictions import Predictions, predictions
from unrolled.inspection.reading import Expected, read, untrained
from unrolled.inspection.telling import Telling, telling_units
from unrolled.inspection.tracing import trace, widths_of
from unrolled.models import LanguageModel, evaluating

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
    """
    _check_memory(model, len(ids))
    text, words = (spelled(alphabet, one.tolist()) for one in (ids, learned))
    wanted = labels(text)
    say("reading")
    seen = read(model, ids)
    units = Units.of(seen.values)
    findings = _findings(model, units, wanted, lambda fresh: read(fresh, ids).values, say)
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
        "character", layers, _fresh(layers), text, chosen, list(wanted), findings, seen.expected, alphabet, ablated,
        expected,
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


def _findings(
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


def _fresh(layers: Sequence[Behaviour]) -> dict[str, Tensor]:
    """How a gradient goes back through an RNN and an LSTM that are as wide as the last layer, and fresh."""
    if not layers:
        return {}
    steps, _, width = layers[-1].lasting()[1].shape
    signals = backward_signals(("rnn", "lstm"), min(width, _WIDEST), min(steps, _WINDOW))
    return {f"a fresh {one.name}, {one.address[-1]}": one.gradients.flip(0)[:, None] for one in signals}


def account_of(
    model: nn.Module, *inputs: Any, symbols: Sequence[str] = (), labels: Sequence[Label] = (), say: Say = print
) -> Account:
    """Look at any model with recurrent layers while it runs, as `account` does at one that reads.

    Args:
        model: opened (`unrolled.open`).
        *inputs: what it is called with.
        symbols: what each step is, in letters, `[T]`, for the first row.
        labels: of the steps, `[T]`, for the first row: units that tell them are looked for.
        say: is told what is going on.

    Raises:
        AddressError: it has no recurrent layer that can be looked into.
        DataError: labels of another length than the steps of the layers that run longest.
    """
    say("running")
    with evaluating(model):
        values = {address: value.as_subclass(Tensor) for address, value in trace(model, *inputs).items()}
        first = _first_row(values)
        units, steps = Units.of(first), max(map(len, first.values()), default=0)
        if labels and steps < FEWEST:
            say(f"{steps} steps are too few to find cells in, {FEWEST} are needed: labels are passed over")
            labels = ()
        findings = []
        if labels:
            findings = _findings(model, units, labels, lambda fresh: _first_row(dict(trace(fresh, *inputs))), say)
        say("gates and gradients")
        layers = behaviours(model, values, *inputs)
    chosen = telling_units(units, findings, labels)
    return Account("step", layers, _fresh(layers), symbols, chosen, list(labels), findings)


def _first_row(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What those layers were that run for the most steps."""
    first = {address: value.as_subclass(Tensor)[:, 0].float() for address, value in values.items() if value.shape[1]}
    longest = max((len(value) for value in first.values()), default=0)
    return {address: value for address, value in first.items() if len(value) == longest}
