"""Every cell on the shelf, and one invented on the spot, against the loops that people run: forward and backward.

    python -m benchmarks.cells [--compile some|all|none] [--only gru H=128] [--invent SEED] [--json FILE]

T = 50, B = 50, H = 128 and 512, x as wide as H, float32. The peers:

    eager            the faster of two loops in torch: the reference engine, and the cell's own function step by step
    by hand          a loop in torch from which a careful person has taken all that needs no state, or feeds none
    torch.compile    of that one, for two threads; how long the first call took stands beside
    JAX              lax.scan, compiled, for rnn, lstm and gru; with threads of its own
    torchrecurrent   where that package has the same cell

*The scan alone* is the same for the cells that have no product in their loop: over an input of one number at a step, so
that the products before and after the loop cost nothing. The eager loop may have its products before it, too.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.invented import invented
from benchmarks.loops import HoistedLoop, direct_loop
from benchmarks.machine import SQUARE, TINY_SQUARE, matrix_rates
from benchmarks.measure import TOLERANCE, Answer, Entry, Time, check, geometric_mean, race, threads, with_threads
from benchmarks.report import Report, Row, is_wanted, parser, progress, report
from benchmarks.work import Work, by_layer, by_reference, matrices_of, operations, truth, work_for
from unrolled import Recurrent, cells
from unrolled.equations import Cell, products

HAVE_JAX = importlib.util.find_spec("jax") is not None
HAVE_TORCHRECURRENT = importlib.util.find_spec("torchrecurrent") is not None
COMPILED_BY_DEFAULT = ("lstm",)
_OTHERS = ("by hand", "torch.compile", "JAX", "torchrecurrent")  # who may take part, besides the loops
STEPS, BATCH, SIZES = 50, 50, (128, 512)


@dataclass(frozen=True)
class Case:
    """One cell of one size."""

    cell: Cell
    hidden: int
    inputs: int
    batch: int = BATCH
    steps: int = STEPS

    @property
    def name(self) -> str:
        """The name on the shelf, or that of the invented one."""
        return next((name for name, one in cells.shelf().items() if one == self.cell), self.cell.name)

    def __str__(self) -> str:
        return f"{self.name} H={self.hidden} B={self.batch}"


def main(words: Sequence[str] | None = None) -> None:
    options = _options(words)
    report("cells", "Cells, float32, forward and backward", options, lambda made: _measure(made, options))


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument(
        "--compile", choices=["some", "all", "none"], default=None,
        help=f"which cells torch.compile gets: some is {', '.join(COMPILED_BY_DEFAULT)} and the invented one, the"
        " default; a minute each. none if quick",
    )  # fmt: skip
    made.add_argument(
        "--invent", type=int, default=None, metavar="SEED", help="which cell to invent; else another each time"
    )
    options = made.parse_args(words)
    options.compile = options.compile or ("none" if options.quick else "some")
    if options.invent is None:
        options.invent = int(time.time()) % 1_000_000
    return options


def cases(options: argparse.Namespace, made_up: Cell) -> Iterator[Case]:
    """The cases that the options ask for."""
    for hidden in (7,) if options.quick else SIZES:
        for cell in (*cells.shelf().values(), made_up):
            case = Case(cell, hidden, hidden, 3, 5) if options.quick else Case(cell, hidden, hidden)
            if is_wanted(str(case), options):
                yield case


def _measure(made: Report, options: argparse.Namespace) -> None:
    made_up, text = invented(options.invent)
    chosen = list(cases(options, made_up))
    _first_call(Case(cells.rnn, 3, 3, 2, 2))  # loads the library: no cell's own time
    rows = [_row(case, options) for case in chosen]
    scans = [_scan_row(case, options) for case in chosen if _has_no_product_in_its_loop(case.cell)]
    rates = matrix_rates(shape=TINY_SQUARE if options.quick else SQUARE)
    made.figures |= {f"matrix rate, {name}, GFLOP/s": rate for name, rate in rates.items()}
    best = max(rates.values())  # no engine could be faster than all products at this rate
    rows = [row | {"eager, ratio at the matrix rate": row["eager, ratio"] * best / row["GFLOP/s"]} for row in rows]
    made.table("Times", rows)
    made.table("The scan alone", scans)
    means = [row for team in ("eager", *_OTHERS) for row in _means(team, rows, f"{team}, ratio")]
    means += _means("eager, at the matrix rate", rows, "eager, ratio at the matrix rate")
    means += [
        row for team in ("eager", "by hand") for row in _means(f"{team}, the scan alone", scans, f"{team}, ratio")
    ]
    made.table("Ratios, their time over ours: geometric means", means)
    made.remarks.append(f"The invented cell, `--invent {options.invent}`:\n\n```python\n@cell\n{text}```")
    for name, is_there in (("jax", HAVE_JAX), ("torchrecurrent", HAVE_TORCHRECURRENT)):
        if not is_there:
            made.remarks.append(f"{name} is not installed, and takes no part: pip install '.[bench]'")


def _means(what: str, rows: Sequence[Row], column: str) -> list[Row]:
    """For each size the geometric mean of a ratio, over the cells that have it, and the lowest."""
    made = []
    for hidden in sorted({row["H"] for row in rows}):
        ratios = {row["cell"]: row[column] for row in rows if row["H"] == hidden and row[column] is not None}
        if ratios:
            lowest = min(ratios, key=ratios.__getitem__)
            mean = geometric_mean(ratios.values())
            made.append({"against": what, "H": hidden, "mean": mean, "lowest": ratios[lowest], "of": lowest})
    return made


def _row(case: Case, options: argparse.Namespace) -> Row:
    progress(str(case))
    layer, work, first = _first_call(case)
    entries = [Entry("unrolled", lambda: work.answer(by_layer(layer))), *_loops(case, layer, work)]
    answers = {str(entry): entry.run() for entry in entries}
    compiling: float | None = None
    if _is_compiled(case, options):
        compiled, answers["torch.compile"], compiling = _compiled(case, work)
        entries.append(compiled)
    for entry, answer in _strangers(case, work):
        entries.append(entry)
        answers[str(entry)] = answer
    _check(str(case), layer, work, answers)
    times = race(entries, options.rounds)
    return _told(case, layer, times) | {"first call, ms": first * 1e3, "torch.compile's first call, s": compiling}


def _check(what: str, layer: Recurrent, work: Work, answers: Mapping[str, Answer]) -> None:
    check(what, answers, truth(layer, work), TOLERANCE[torch.float32], work.answer(by_reference(layer)))


def _told(case: Case, layer: Recurrent, times: dict[str, Time]) -> Row:
    """The times of a case and their ratios; None for who took no part."""
    ours, eager = times["unrolled"].ms, times["eager"]
    work = operations(matrices_of(layer), case.steps, case.batch)
    row: dict[str, Any] = {
        "cell": case.name, "H": case.hidden, "unrolled, ms": ours, "GFLOP/s": work / ours / 1e6,
        "eager, ms": eager.ms, "eager's way": f"{eager.way}, {eager.threads}", "eager, ratio": eager.ms / ours,
    }  # fmt: skip
    for team in _OTHERS:
        theirs = times.get(team)
        row |= {f"{team}, ms": theirs and theirs.ms, f"{team}, ratio": theirs and theirs.ms / ours}
    return row


def _first_call(case: Case) -> tuple[Recurrent, Work, float]:
    """A layer of a cell that was never traced, its work, and the seconds from there to the first gradients."""
    fresh = Cell(case.cell.function, case.cell.widths, case.cell.options)
    started = time.perf_counter()
    layer = Recurrent(fresh, case.inputs, case.hidden)
    made = time.perf_counter() - started
    work = work_for(layer, case.steps, case.batch)
    started = time.perf_counter()
    with threads(2):
        work.answer(by_layer(layer))
    return layer, work, made + time.perf_counter() - started


def _loops(case: Case, layer: Recurrent, work: Work) -> list[Entry]:
    hoisted = HoistedLoop(layer.graph, case.inputs, case.hidden)
    direct = direct_loop(case.cell, case.hidden)
    reference = by_reference(layer)
    return [
        *with_threads("eager", lambda: work.answer(reference), "reference"),
        *with_threads("eager", lambda: work.answer(direct), "direct"),
        *with_threads("by hand", lambda: work.answer(hoisted)),
    ]


def _is_compiled(case: Case, options: argparse.Namespace) -> bool:
    is_default = case.name in COMPILED_BY_DEFAULT or case.cell.name.startswith("invented")
    return bool(options.compile == "all" or (options.compile == "some" and is_default))


def _compiled(case: Case, work: Work) -> tuple[Entry, Answer, float]:
    """The hoisted loop under torch.compile, its answer, and the seconds of its first call.

    It is compiled for two threads, since each number takes a compilation of its own, and into a fresh folder, since
    what an earlier run left there would be no first call.
    """
    from torch._inductor.utils import fresh_cache

    torch._dynamo.reset()
    run = torch.compile(HoistedLoop(case.cell.graph, case.inputs, case.hidden), fullgraph=True, dynamic=False)
    with threads(2), fresh_cache():
        started = time.perf_counter()
        answer = work.answer(run)
        seconds = time.perf_counter() - started
    return Entry("torch.compile", lambda: work.answer(run)), answer, seconds


def _strangers(case: Case, work: Work) -> Iterator[tuple[Entry, Answer]]:
    """Other people's layers, where they are installed and have the cell, with their answers."""
    made: list[tuple[str, Callable[[], Any], Callable[[Any], Answer], Sequence[int]]] = []
    if HAVE_JAX:
        from benchmarks import jax_scan

        if case.name in jax_scan.CELLS:
            made.append(("JAX", *jax_scan.jax_scan(case.name, work), (2,)))
    if HAVE_TORCHRECURRENT:
        from benchmarks import torchrecurrent_layers

        if case.name in torchrecurrent_layers.LAYERS:
            made.append(("torchrecurrent", *torchrecurrent_layers.torchrecurrent_layer(case.name, work), (1, 2)))
    for team, run, read, counts in made:
        answer = read(run())
        for entry in with_threads(team, run, counts=counts):
            yield entry, answer


def _has_no_product_in_its_loop(cell: Cell) -> bool:
    return all(when != "during" for _, when in products(cell.graph))


def _scan_row(case: Case, options: argparse.Namespace) -> Row:
    scan = Case(case.cell, case.hidden, 1, case.batch, case.steps)
    what = f"{scan}, the scan alone"
    progress(what)
    layer = Recurrent(scan.cell, scan.inputs, scan.hidden)
    work = work_for(layer, scan.steps, scan.batch)
    eager = HoistedLoop(layer.graph, scan.inputs, scan.hidden, only_products=True)
    entries = [
        Entry("unrolled", lambda: work.answer(by_layer(layer))),
        *_loops(scan, layer, work),
        *with_threads("eager", lambda: work.answer(eager), "products before"),
    ]
    _check(what, layer, work, {str(entry): entry.run() for entry in entries})
    times = race(entries, options.rounds)
    ours, eager, by_hand = (times[team].ms for team in ("unrolled", "eager", "by hand"))
    way = f"{times['eager'].way}, {times['eager'].threads}"
    return {
        "cell": scan.name, "H": scan.hidden, "unrolled, ms": ours, "eager, ms": eager, "eager's way": way,
        "eager, ratio": eager / ours, "by hand, ms": by_hand, "by hand, ratio": by_hand / ours,
    }  # fmt: skip


if __name__ == "__main__":
    main()
