"""The commands of `unrolled`: options become verbs, results become text or JSON. No logic."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

from unrolled import cells
from unrolled.cells.describe import Description, describe
from unrolled.cli.display import printable, showing
from unrolled.cli.options import LENGTHS, with_run_options
from unrolled.errors import ConfigError
from unrolled.generation import Strategy
from unrolled.runs import RunConfig, doctor, evaluate, read_config, sample, train, validated

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Recurrent networks as equations: train, sample, and look at the cells.",
)

AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line, for programs")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="the run's folder", show_default=False)]


@app.command("train")
@with_run_options
def train_command(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="the run's folder; default: runs/CELL-1, -2, ...", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a run that lies there")] = False,
    config: Annotated[
        Path | None, typer.Option(help="a JSON or TOML file of options, by the same names", show_default=False)
    ] = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Train a model on text; without DATA, on the source code of Python's own standard library.

    --cell takes a name ('unrolled cells' lists them), a name with options such as 'rnn(bias="shared")', or
    your own as file.py:name. Ctrl-C stops and saves.
    """
    given = {name: value for name, value in options.items() if value is not None}
    from_file = {} if config is None else read_config(config)
    if any(name in given for name in LENGTHS):  # a length on the command line replaces the file's
        from_file = {name: value for name, value in from_file.items() if name not in LENGTHS}
    source = "the options" if config is None else f"the options, and {config}"
    wanted = validated(RunConfig, from_file | given, source, ConfigError)
    console = Console(highlight=False)
    with stop_signals() as stopped_by, showing(console, as_json=as_json) as listen:
        path = train(wanted, out, overwrite=overwrite, listen=listen, should_stop=lambda: bool(stopped_by))
    if not as_json:
        console.print(_next_steps(path, "" if wanted.data else ' --prompt "def "'), soft_wrap=True)
    if stopped_by:
        raise typer.Exit(128 + stopped_by[0])


@app.command("sample")
def sample_command(
    run: RunPath,
    prompt: Annotated[str, typer.Option(help="text to go on from", show_default=False)] = "",
    length: Annotated[int, typer.Option(help="how many symbols to write")] = 500,
    temperature: Annotated[float, typer.Option(help="below 1 safer, above 1 more varied; 0: the likeliest")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="consider only the k most likely", show_default=False)] = None,
    top_p: Annotated[float | None, typer.Option(help="... only the most likely that have p together")] = None,
    seed: Annotated[int, typer.Option(help="the same seed writes the same text")] = 1,
    as_json: AsJson = False,
) -> None:
    """Let a run write text."""
    pieces = sample(run, prompt, length, Strategy(temperature, top_k, top_p), seed)
    if as_json:
        print(json.dumps({"prompt": prompt, "text": "".join(pieces), "seed": seed}))
        return
    first = next(pieces)  # what is wrong with the run or the prompt shows before anything is printed
    is_terminal = sys.stdout.isatty()
    for piece in chain((prompt, first), pieces, "\n"):
        _write(printable(piece) if is_terminal else piece)


@app.command("eval")
def eval_command(
    run: RunPath,
    data: Annotated[list[str], typer.Argument(help="files, folders, globs, or '-'", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Measure how well a run predicts a text."""
    score = evaluate(run, data)
    if as_json:
        finite = math.isfinite(score.perplexity)
        print(json.dumps(asdict(score) | ({} if finite else {"perplexity": None})))
        return
    print(f"nats per character   {score.nats_per_char:.4f}")
    print(f"bits per character   {score.bits_per_char:.4f}")
    print(f"perplexity           {score.perplexity:.4f}")
    print(f"characters           {score.chars:,}")
    if score.unseen:
        listed = ", ".join(f"{symbol!r} x {count}" for symbol, count in list(score.unseen.items())[:20])
        print(f"never seen, left out {sum(score.unseen.values()):,} ({listed})")


@app.command("cells")
def cells_command(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME | file.py:name]...", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """List the cells, or show one: its equation, parameters, named values and schedule."""
    if not names:
        for name, one in cells.shelf().items():
            summary = (one.__doc__ or "").partition("\n")[0]
            print(json.dumps({"cell": name, "summary": summary}) if as_json else f"{name:<8} {summary}")
        return
    for name in names:
        described = describe(cells.find(name))
        print(json.dumps(asdict(described)) if as_json else _text(described))


@app.command("doctor")
def doctor_command(as_json: AsJson = False) -> None:
    """Say what this installation is, and check its arithmetic."""
    facts = doctor()
    print(json.dumps(facts) if as_json else "\n".join(f"{name:<16} {fact}" for name, fact in facts.items()))
    if not facts["arithmetic"].startswith("right"):
        raise typer.Exit(1)


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that the first Ctrl-C or SIGTERM puts its number in; the second one ends the program."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def _text(one: Description) -> str:
    moments = {"before": "before the loop over time", "during": "at every step", "after": "after the loop"}
    parts = [
        one.equation or one.cell,
        _table("states", one.states),
        _table("options", {name: repr(value) for name, value in one.options.items()}),
        _table("parameters (H: hidden size, D: input size)", one.parameters),
        _table("named values", one.values),
        _table("products", {name: moments[moment] for name, moment in one.products.items()}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(title: str, rows: dict[str, str]) -> str:
    if not rows:
        return ""
    wide = max(map(len, rows))
    return "\n".join([title, *(f"  {name:<{wide}}  {value}" for name, value in rows.items())])


def _next_steps(path: Path, prompt: str) -> str:
    commands = {
        f"unrolled sample {path}{prompt} --temperature 0.7": "let it write",
        f"unrolled eval {path} FILE": "how well it predicts another text",
        "unrolled train FILE --minutes 5": "learn a text of yours",
        "unrolled train --cell lstm": "the same with another cell",
        "unrolled cells lstm": "a cell's equation and parameters",
    }
    wide = max(map(len, commands))
    return "\n".join(["", "Try next:", *(f"  {command:<{wide}}   {what}" for command, what in commands.items())])
