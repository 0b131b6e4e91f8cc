"""torch.nn's LSTM, GRU and RNN against ours in their place: forward and backward over 50 steps.

    python -m benchmarks.layers [--dtype bfloat16] [--only lstm H=512] [--json FILE]

float32: H in 64, 128, 256, 512, 1024 and B in 1, 16, 50, 128; both layers have the same weights. bfloat16: torch's LSTM
converted to bfloat16, or under autocast, whichever is faster, against ours under autocast.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import unrolled
from benchmarks.machine import SQUARE, TINY_SQUARE, matrix_rates
from benchmarks.measure import TOLERANCE, Answer, Entry, Time, check, geometric_mean, race, with_threads
from benchmarks.report import Report, Row, is_wanted, parser, progress, report
from benchmarks.work import answer_of, on_reference, operations

KINDS = ("lstm", "gru", "rnn")
STEPS = 50
Context = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Case:
    """One layer of one size."""

    kind: str
    hidden: int
    batch: int
    steps: int = STEPS

    def __str__(self) -> str:
        return f"{self.kind} H={self.hidden} B={self.batch}"

    @property
    def operations(self) -> float:
        """FLOP, forward and backward."""
        gates = {"lstm": 4, "gru": 3, "rnn": 1}[self.kind]
        return operations([(gates * self.hidden, self.hidden)] * 2, self.steps, self.batch)


def main(words: Sequence[str] | None = None) -> None:
    options = _options(words)
    dtype = getattr(torch, options.dtype)
    title = f"Layers, {options.dtype}, forward and backward"
    report("layers", title, options, lambda made: _measure(made, options, dtype))


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    return made.parse_args(words)


def cases(options: argparse.Namespace) -> list[Case]:
    """The cases that the options ask for."""
    if options.quick:
        every = [Case(kind, 9, 3, steps=5) for kind in KINDS]
    elif options.dtype == "bfloat16":
        every = [Case("lstm", hidden, batch) for hidden in (128, 256, 512, 1024) for batch in (50, 128)]
    else:
        sizes = [(hidden, batch) for hidden in (64, 128, 256, 512, 1024) for batch in (1, 16, 50, 128)]
        every = [Case(kind, hidden, batch) for kind in KINDS for hidden, batch in sizes]
    return [case for case in every if is_wanted(str(case), options)]


def _measure(made: Report, options: argparse.Namespace, dtype: torch.dtype) -> None:
    rows = [_row(case, dtype, options) for case in cases(options)]
    rates = matrix_rates(dtype, TINY_SQUARE if options.quick else SQUARE)
    best = max(rates.values())
    rows = [row | _beside(row, best) for row in rows]
    made.table("Times", rows)
    made.table("Ratios: torch.nn's time over ours", _means(rows))
    large = [row["GFLOP/s"] for row in rows if row["layer"] == "lstm" and row["H"] >= 256 and row["B"] >= 50]
    for name, rate in rates.items():
        made.figures[f"matrix rate, {name}, GFLOP/s"] = rate
        if large:
            shares = [reached / rate for reached in large]
            what = f"LSTM, H >= 256, B >= 50: share of the matrix rate, {name}"
            made.figures |= {f"{what}, lowest": min(shares), f"{what}, mean": geometric_mean(shares)}


def _row(case: Case, dtype: torch.dtype, options: argparse.Namespace) -> Row:
    progress(str(case))
    entries, truth = contest(case, dtype)
    check(str(case), {str(entry): entry.run() for entry in entries}, truth, TOLERANCE[dtype])
    times = race(entries, options.rounds)
    ours, theirs = times["unrolled"], times["torch.nn"]
    row = {
        "layer": case.kind, "H": case.hidden, "B": case.batch, "unrolled, ms": ours.ms, "torch.nn, ms": theirs.ms,
        "torch.nn's way": _how(theirs), "GFLOP/s": case.operations / ours.ms / 1e6,
        "torch.nn, GFLOP/s": case.operations / theirs.ms / 1e6, "ratio": theirs.ms / ours.ms,
    }  # fmt: skip
    if dtype == torch.bfloat16:
        row["over our float32"] = times["unrolled, float32"].ms / ours.ms
    return row


def _beside(row: Row, rate: float) -> Row:
    """How near a row comes to the matrix rate; and its ratio if it came all the way: the most there is."""
    share = row["GFLOP/s"] / rate
    return {"share of the matrix rate": share, "ratio at that rate": row["ratio"] / share}


def _how(time: Time) -> str:
    return f"{time.way}{', ' * bool(time.way)}{time.threads} thread{'s' * (time.threads > 1)}"


def _means(rows: Sequence[Row]) -> list[Row]:
    """Geometric means and the lowest ratio, for each layer and for all."""
    chosen = {kind: [row for row in rows if row["layer"] == kind] for kind in KINDS} | {"all": rows}
    return [
        {
            "layer": kind, "geometric mean": geometric_mean(row["ratio"] for row in some),
            "lowest": min(row["ratio"] for row in some),
            "geometric mean at the matrix rate": geometric_mean(row["ratio at that rate"] for row in some),
        }
        for kind, some in chosen.items()
        if some
    ]  # fmt: skip


def contest(case: Case, dtype: torch.dtype) -> tuple[list[Entry], Answer]:
    """Who takes part, on the same weights and inputs; and the truth, the reference in float64."""
    name = "RNN" if case.kind == "rnn" else case.kind.upper()
    theirs = getattr(nn, name)(case.hidden, case.hidden)
    ours = getattr(unrolled, name)(case.hidden, case.hidden)
    ours.load_state_dict(theirs.state_dict())
    inputs = _Inputs(
        torch.randn(case.steps, case.batch, case.hidden),
        [torch.randn(1, case.batch, case.hidden) for _ in range(2 if case.kind == "lstm" else 1)],
        torch.randn(case.steps, case.batch, case.hidden),
    )
    exact = inputs.work(copy.deepcopy(ours), torch.float64)
    if dtype == torch.float32:
        entries = [Entry("unrolled", inputs.work(ours, dtype))]
        entries += with_threads("torch.nn", inputs.work(theirs, dtype))
    else:
        entries = [
            Entry("unrolled", inputs.work(ours, torch.float32, _autocast), "autocast"),
            Entry("unrolled, float32", inputs.work(ours, torch.float32)),
            *with_threads("torch.nn", inputs.work(copy.deepcopy(theirs), dtype), "converted"),
            *with_threads("torch.nn", inputs.work(theirs, torch.float32, _autocast), "autocast"),
        ]
    return entries, on_reference(exact)


def _autocast() -> AbstractContextManager[Any]:
    return torch.autocast("cpu", torch.bfloat16)


@dataclass(frozen=True)
class _Inputs:
    """What every layer of a case is given, in float32: x, its states as torch.nn takes them, the output's gradient."""

    x: Tensor
    states: list[Tensor]
    of_output: Tensor

    def work(self, layer: nn.Module, dtype: torch.dtype, context: Context = nullcontext) -> Callable[[], Answer]:
        """Forward within the context, then backward; the layer and what it is given in that type."""
        layer = layer.to(dtype)
        x = self.x.to(dtype).requires_grad_()
        states = [one.to(dtype) for one in self.states]
        leaves = {"x": x, **dict(layer.named_parameters())}

        def run() -> Answer:
            with context():
                output, last = layer(x, tuple(states) if len(states) > 1 else states[0])
            after = dict(zip("hc", last, strict=True)) if isinstance(last, tuple) else {"h": last}
            return answer_of(output, after, leaves, self.of_output.to(output.dtype))

        return run


if __name__ == "__main__":
    main()
