"""The account of any model with recurrent layers while it runs. Knows modules; what they run over may be anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import ConfigError, DataError
from unrolled.inspection.account import Account, Say, check_finite, findings_of, fresh_signals
from unrolled.inspection.addresses import find_path
from unrolled.inspection.behaviour import behaviours
from unrolled.inspection.finder import FEWEST, Units
from unrolled.inspection.labels import Label
from unrolled.inspection.telling import telling_units
from unrolled.inspection.tracing import modules_of, trace
from unrolled.models import evaluating


def account_of(
    model: nn.Module,
    *inputs: Any,
    symbols: Sequence[str] = (),
    labels: Sequence[Label] = (),
    lengths: Sequence[int] = (),
    say: Say = lambda _: None,
) -> Account:
    """Look at any model with recurrent layers while it runs, as `account` does at one that reads.

    Args:
        model: opened (`unrolled.open`).
        *inputs: what it is called with.
        symbols: what each step of the first recurrent module is, in letters, `[T]`, for the first row.
        labels: of its steps, `[T]`, for the first row: units that tell them are looked for.
        lengths: how many steps of each row there are, `[B]`: all rows are looked at, one behind the other, and
            symbols and labels are of them all. None: the first row.
        say: is told what is going on.

    Raises:
        AddressError: it has no recurrent layer that can be looked into.
        ConfigError: none has run, or with numbers that are not finite.
        DataError: labels of another length than that module's steps.
    """
    say("running")
    with evaluating(model), _counting(model) as runs:
        values = {address: value.as_subclass(Tensor) for address, value in trace(model, *inputs).items()}
        check_finite(values)
        if often := [path for path, count in runs.items() if count > 1]:
            say(f"{', '.join(often)}: ran several times; what is seen are all runs, one after the other")
        # (what the steps are is known of one module: another one may run over something else)
        path = find_path(next(iter(values))) if values and (symbols or labels) else None
        first = _in_a_row(values, path, lengths)
        steps = max(map(len, first.values()), default=0)
        if not steps:
            raise ConfigError("no recurrent layer of the model has run, or only without rows or steps")
        units, wanted = Units.of(first), _usable(labels, steps, say)
        findings = []
        if wanted:
            findings = findings_of(
                model, units, wanted, lambda fresh: _in_a_row(dict(trace(fresh, *inputs)), path, lengths), say
            )
        say("gates and gradients")
        layers = behaviours(model, values, *inputs)
    chosen = telling_units(units, findings, wanted)
    return Account("step", layers, fresh_signals(layers), symbols, chosen, wanted, findings)


@contextmanager
def _counting(model: nn.Module) -> Iterator[dict[str, int]]:
    """How often each recurrent layer, but not a single cell, runs within the block."""
    runs: dict[str, int] = {}
    hooks = []
    for path, module in modules_of(model).items():
        if isinstance(module, nn.Module) and not isinstance(module, nn.RNNCellBase):

            def count(_: Any, __: Any, path: str = path or "the layer") -> None:
                runs[path] = runs.get(path, 0) + 1

            hooks.append(module.register_forward_pre_hook(count))
    try:
        yield runs
    finally:
        for hook in hooks:
            hook.remove()


def _usable(labels: Sequence[Label], steps: int, say: Say) -> list[Label]:
    """The labels that cells can be looked for with."""
    for one in labels:
        if len(one.values) != steps:
            raise DataError(f"the label {one.name!r} has {len(one.values):,} numbers, and the model {steps:,} steps")
    if labels and steps < FEWEST:
        say(f"{steps} steps are too few to find cells in, {FEWEST} are needed: labels are passed over")
        return []
    return list(labels)


def _in_a_row(values: Mapping[str, Tensor], path: str | None, lengths: Sequence[int]) -> dict[str, Tensor]:
    """What the layers of a module were in the first row, or in all; without a path, of those that run longest."""
    first = {address: _joined(value, lengths).float() for address, value in values.items() if value.shape[1]}
    if path is not None:
        return {address: value for address, value in first.items() if find_path(address) == path}
    longest = max((len(value) for value in first.values()), default=0)
    return {address: value for address, value in first.items() if len(value) == longest}


def _joined(value: Tensor, lengths: Sequence[int]) -> Tensor:
    """The real steps of all rows of `[T, B, U]`, one row behind the other; without lengths, the first row."""
    value = value.as_subclass(Tensor)
    if not len(lengths):
        return value[:, 0]
    return torch.cat([value[:length, row] for row, length in enumerate(lengths)])
