"""The commands that use what was trained, and look around: sample, draw, eval, predict, runs, compare, data, ...

Options become verbs, results become text or JSON. No logic.
"""

from __future__ import annotations

import math
import shutil
import sys
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from unrolled import cells
from unrolled.cells.describe import Description, describe
from unrolled.cli.app import AsJson, Average, Best, RunPath, app, columns, print_json, table
from unrolled.cli.options import given, with_use_options
from unrolled.cli.terminal import complain, printable
from unrolled.data import corpora
from unrolled.equations import Cell
from unrolled.errors import ConfigError
from unrolled.generation import Precision, Strategy
from unrolled.rounding import rounded
from unrolled.runs import (
    Group,
    Tried,
    compare,
    doctor,
    draw,
    draw_to,
    evaluate,
    in_letters,
    predict,
    sample,
    shown,
    tried,
)

_data = typer.Typer(no_args_is_help=True, help="Named corpora: what there is, fetching one, looking into it.")
app.add_typer(_data, name="data")


@app.command("sample")
def sample_command(
    run: RunPath,
    prompt: Annotated[str, typer.Option(help="text to go on from", show_default=False)] = "",
    length: Annotated[int, typer.Option(help="how many symbols to write")] = 500,
    temperature: Annotated[float, typer.Option(help="below 1 safer, above 1 more varied; 0: the likeliest")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="consider only the k most likely", show_default=False)] = None,
    top_p: Annotated[float | None, typer.Option(help="... only the most likely that have p together")] = None,
    seed: Annotated[int, typer.Option(help="the same seed writes the same text")] = 1,
    precision: Annotated[
        Precision, typer.Option(help="of the matrices: bf16 and int8 are faster, and change the text a little")
    ] = "float32",
    clamp: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS=NUMBER", help="hold a value within the network: layer0.h[42]=1", show_default=False
        ),
    ] = None,
    best: Best = False,
    average: Average = 0,
    as_json: AsJson = False,
) -> None:
    """Let a run write text."""
    strategy = Strategy(temperature, top_k, top_p)
    changes = dict(map(_clamped, clamp or ()))
    pieces = sample(
        run,
        prompt,
        length,
        strategy,
        seed,
        precision=precision,
        changes=changes,
        best=best,
        average=average,
        warn=_warn,
    )
    if as_json:
        print_json({"prompt": prompt, "text": "".join(pieces), "seed": seed})
        return
    first = next(pieces)  # what is wrong with the run or the prompt shows before anything is printed
    is_terminal = sys.stdout.isatty()
    for piece in chain((prompt, first), pieces, "\n"):
        sys.stdout.write(printable(piece) if is_terminal else piece)
        sys.stdout.flush()


@app.command("draw")
def draw_command(
    run: RunPath,
    count: Annotated[int, typer.Option(help="how many images")] = 8,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="a file to write them to: a sheet (.png), a film of all steps (.gif), or an array x (.npz)",
            show_default=False,
        ),
    ] = None,
    all_steps: Annotated[
        bool, typer.Option("--all-steps", help="the canvas after every step, not the last one only")
    ] = False,
    seed: Annotated[int, typer.Option(help="the same seed draws the same images")] = 1,
    best: Best = False,
    average: Average = 0,
) -> None:
    """Let a run of --task draw make images out of nothing: told in letters, or written to a file."""
    weights: dict[str, Any] = {"best": best, "average": average}
    if out is None:
        images = draw(run, count, seed, **weights, all_steps=all_steps, warn=_warn)
        print(in_letters(images, shutil.get_terminal_size().columns))
    else:
        written = draw_to(out, run, count, seed, **weights, all_steps=all_steps, warn=_warn)
        print(f"{'1 image' if count == 1 else f'{count:,} images'}: {printable(str(written))}")


def _clamped(text: str) -> tuple[str, float]:
    """`layer0.h[42]=1` as an address and a number."""
    address, sign, number = text.rpartition("=")
    try:
        return address, float(number if sign else "")
    except ValueError:
        raise ConfigError(f"--clamp {text}: write an address and a number, layer0.h[42]=1") from None


@app.command("eval")
@with_use_options
def eval_command(
    run: RunPath,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...", help="files, folders, globs, or '-'; none: what was held out", show_default=False
        ),
    ] = None,
    best: Best = False,
    average: Average = 0,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Measure how good a run is on data that you name, or on what was held out: its loss, how much is right."""
    score = evaluate(run, data or (), best=best, average=average, warn=_warn, **given(options))
    if as_json:
        print_json({name: _finite(value) for name, value in vars(score).items()})
        return
    print("\n".join(f"{name:<20} {printable(value)}" for name, value in score.rows().items()))


def _finite(value: Any) -> Any:
    """What JSON can say: no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


@app.command("predict")
@with_use_options
def predict_command(
    run: RunPath,
    data: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="files, folders, globs, or '-'", show_default=False)
    ],
    best: Best = False,
    average: Average = 0,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Say what a run predicts of examples: a line for each, the answer first."""
    for one in predict(run, data, best=best, average=average, warn=_warn, **given(options)):
        if as_json:
            print_json(vars(one))
        else:
            print(printable(one.line()))


@app.command("runs")
def runs_command(
    folder: Annotated[Path, typer.Argument(help="where the runs are")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List the runs in a folder: what was tried, and how well it went, the best first."""
    found = tried(folder)
    if as_json:
        for one in found:
            print_json(asdict(one))
        return
    print(
        columns(
            ("run", "task", "cell", "parameters", "data", "steps", "nats, held out", "score", "time", ""),
            [_row(one) for one in found],
        )
    )


@app.command("compare")
def compare_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN ...", help="two runs or more", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Compare runs by their held-out loss; those that differ only in the seed are one group with an interval."""
    groups = compare(runs)
    if as_json:
        for group in groups:
            print_json(asdict(group))
        return
    rows = [
        (rounded(group.median), _span(min(group.losses), max(group.losses)), _interval(group), str(len(group.losses)),
         group.what)
        for group in groups
    ]  # fmt: skip
    print(columns(("median nats", "range", "95 % interval", "runs", "what differs"), rows))
    print("\nthe held-out loss of the best weights of each run; an interval of the median needs six seeds or more")
    if not groups[0].same_text:
        _warn("these runs hold out different texts, or count in different symbols: their losses do not compare")


@_data.command("list")
def data_list_command(as_json: AsJson = False) -> None:
    """List the corpora that can be fetched, with their licences."""
    for corpus, path in corpora.listed():
        facts = {"corpus": corpus.name, "what": corpus.what, "from": corpus.origin, "licence": corpus.licence}
        if as_json:
            print_json(facts | {"path": None if path is None else str(path)})
        else:
            here = f"here: {path}" if path else f"unrolled data get {corpus.name} ({corpus.size})"
            print(f"{corpus.name:<12} {corpus.what}, from {corpus.origin}\n{'':<12} {corpus.licence}\n{'':<12} {here}")


@_data.command("get")
def data_get_command(name: Annotated[str, typer.Argument(help="its name", show_default=False)]) -> None:
    """Fetch a corpus, check it, and keep it."""
    corpora.fetch(name, print)
    print(f"\nTry next: {corpora.find(name).use.format(name=name)}")


@_data.command("show")
def data_show_command(
    name: Annotated[str, typer.Argument(help="its name", show_default=False)],
    length: Annotated[
        int | None, typer.Option(min=1, help="how many characters (1000), or images (6)", show_default=False)
    ] = None,
) -> None:
    """Print the beginning of a corpus that was fetched: its text, or some of its images, and how many there are."""
    print(printable(shown(name, length, shutil.get_terminal_size().columns)))


@app.command("cells")
def cells_command(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME | file.py:name]...", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """List the cells, or show one: its equation, parameters, named values and schedule."""
    if not names:
        rows = [(name, repr(one) if one.options else _summary(one)) for name, one in cells.shelf().items()]
        for name, summary in rows:
            if as_json:
                print_json({"cell": name, "summary": summary})
        if not as_json:
            print(table("", dict(rows)).strip("\n"))
        return
    for name in names:
        described = describe(cells.find(name))
        if as_json:
            print_json(asdict(described))
        else:
            print(_text(described))


@app.command("doctor")
def doctor_command(as_json: AsJson = False) -> None:
    """Say what this installation is, and check its arithmetic."""
    facts = doctor()
    if as_json:
        print_json(facts)
    else:
        print("\n".join(f"{name:<16} {fact}" for name, fact in facts.items()))
    if not facts["arithmetic"].startswith("right"):
        raise typer.Exit(1)


def _span(low: float, high: float) -> str:
    return f"{rounded(low)} to {rounded(high)}"


def _interval(group: Group) -> str:
    return "" if group.interval is None else _span(*group.interval)


def _summary(cell: Cell) -> str:
    return (cell.__doc__ or "").partition("\n")[0]


def _warn(message: str) -> None:
    complain("warning", message)


def _row(one: Tried) -> tuple[str, ...]:
    loss = "" if one.best_loss is None else f"{rounded(one.best_loss)} per {one.unit}"
    steps = f"{one.step:,}" if one.total in (None, one.step) else f"{one.step:,} of {one.total:,}"
    score = "" if one.best_score is None else f"{one.score} {rounded(one.best_score)}"
    facts = (one.path, one.task, one.cell, f"{one.parameters:,}", one.text[:40], steps, loss, score)
    return (*facts, f"{one.elapsed:.0f} s", one.remark)


def _text(one: Description) -> str:
    moments = {"before": "before the loop over time", "during": "at every step", "after": "after the loop"}
    parts = [
        one.equation or one.cell,
        table("states", one.states),
        table("options", {name: repr(value) for name, value in one.options.items()}),
        table("parameters (H: hidden size, D: input size)", one.parameters),
        table("named values", one.values),
        table("products", {name: moments[moment] for name, moment in one.products.items()}),
        table("noise, in training", one.noise),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
