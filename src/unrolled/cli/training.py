"""The commands `train`, `resume` and `lr-find`: options become verbs, events become text or JSON. No logic."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from unrolled.cli.app import AsJson, RunPath, app, columns, print_json
from unrolled.cli.display import showing
from unrolled.cli.helping import OfOneTask
from unrolled.cli.options import LENGTHS, given, with_run_options
from unrolled.cli.signals import Stopped, StopSignals
from unrolled.errors import ConfigError
from unrolled.rounding import rounded
from unrolled.runs import (
    DEFAULT,
    KINDS,
    Listener,
    Prepared,
    RunConfig,
    RunEvent,
    find_learning_rate,
    kind_of,
    logging_to,
    preset,
    read_config,
    resume,
    train,
    validated,
)

ConfigFile = Annotated[
    Path | None, typer.Option(help="a JSON or TOML file of options, by the same names", show_default=False)
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", help="the settings of a script that people know: char-rnn or min-char-rnn", show_default=False
    ),
]
Log = Annotated[
    list[str] | None,
    typer.Option("--log", help="log to tensorboard, wandb or trackio, too; may be repeated", show_default=False),
]


@app.command("train", cls=OfOneTask)
@with_run_options
def train_command(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="the run's folder; default: runs/CELL-1, -2, ...", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a run that lies there")] = False,
    preset_name: Preset = None,
    config: ConfigFile = None,
    log: Log = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Train a model, by default on text; --task says on what else.

    --cell takes a name ('unrolled cells' lists them), a name with options such as 'rnn(bias="shared")', or
    your own as file.py:name. Ctrl-C stops and saves; 'unrolled resume RUN' goes on.
    """
    wanted = _wanted(options, config, preset_name)

    def work(listen: Listener, stop: StopSignals) -> Path:
        return train(wanted, out, overwrite=overwrite, listen=listen, should_stop=stop)

    _run(work, log, as_json=as_json)


@app.command("resume")
def resume_command(
    run: RunPath,
    steps: Annotated[
        int | None, typer.Option(min=1, help="train so many steps in all; default: as planned", show_default=False)
    ] = None,
    log: Log = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was interrupted or killed, as if it had never stopped.

    With --steps a run can be made longer: the learning rate of the steps to come is that of a run of so many.
    """

    def work(listen: Listener, stop: StopSignals) -> Path:
        return resume(run, steps, listen=listen, should_stop=stop)

    _run(work, log, as_json=as_json)


@app.command("lr-find", cls=OfOneTask)
@with_run_options
def lr_find_command(
    preset_name: Preset = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Find a learning rate: train for a moment while it rises from tiny to too large, and look at the loss.

    Takes the options of 'train'; --steps says how many rates are tried (default 100).
    """
    found = find_learning_rate(_wanted(options, config, preset_name))
    if as_json:
        print_json({"suggested": found.suggested, "rates": found.rates, "losses": found.losses, "unit": found.unit})
        return
    rows = [(f"{rate:.2e}", rounded(loss, 3), "#" * round(30 * loss / found.losses[0])) for rate, loss in found.shown()]
    print(columns(("learning rate", f"nats per {found.unit}", ""), rows))
    print(f"\nsuggested: --learning-rate {found.suggested:.2g} (the rate at which the loss falls fastest)")


def _wanted(options: dict[str, Any], config: Path | None, preset_name: str | None) -> RunConfig:
    """The options of the command line, before those of a file, before those of a preset."""
    of_line = given(options)
    wanted: dict[str, Any] = {}
    of_preset = {} if preset_name is None else preset(preset_name)
    of_file = {} if config is None else read_config(config)
    for more in (of_preset, of_file, of_line):
        if any(name in more for name in LENGTHS):  # a length replaces any other
            wanted = {name: value for name, value in wanted.items() if name not in LENGTHS}
        wanted |= more
    source = "the options" if config is None else f"the options, those in {config} included"
    kind = kind_of(wanted.get("task", DEFAULT))
    for name in wanted:
        others = [one.name for one in KINDS.values() if name in one.config.model_fields]
        if others and kind.name not in others:
            raise ConfigError(f"{source}: {name} is for --task {' and '.join(others)}, and this is --task {kind.name}")
    made: RunConfig = validated(kind.config, wanted, source, ConfigError, kept=of_file.keys() - of_line.keys())
    return made


def _run(work: Callable[[Listener, StopSignals], Path], log: list[str] | None, *, as_json: bool) -> None:
    """Do the work of a command while its events are shown, until it ends or a signal stops it."""
    console = Console(highlight=False)
    console.width = console.width or 80  # (COLUMNS=0 would show nothing)
    prepared: Prepared | None = None
    with StopSignals() as stop, showing(console, as_json=as_json) as show, logging_to(log or []) as also:

        def listen(event: RunEvent) -> None:
            nonlocal prepared
            if isinstance(event, Prepared):
                prepared = event
                stop.begin()
            show(event)
            also(event)

        try:
            path = work(listen, stop)
        except Stopped as stopped:  # (of KeyboardInterrupt typer would make an exit code of its own)
            raise typer.Exit(128 + stopped.number) from None
    if stop.received is not None:
        if not as_json:
            console.print(f"\nGo on with: unrolled resume {shlex.quote(str(path))}", soft_wrap=True)
        raise typer.Exit(128 + stop.received)
    if not as_json and prepared is not None:
        console.print(_next_steps(prepared), soft_wrap=True)


def _next_steps(run: Prepared) -> str:
    other = "gru_v3" if run.cell.startswith("lstm") else "lstm"
    config = str(Path(run.path) / "config.json")
    uses = kind_of(run.task).uses.items()
    commands = {command.replace("{run}", shlex.quote(run.path)): what for command, what in uses} | {
        shlex.join(["unrolled", "train", "--config", config, "--cell", other]): "the same with another cell",
        "unrolled runs": "what was tried so far",
        f"unrolled cells {other}": "a cell's equation and parameters",
    }
    wide = max(map(len, commands))
    return "\n".join(["", "Try next:", *(f"  {command:<{wide}}   {what}" for command, what in commands.items())])
