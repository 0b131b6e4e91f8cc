"""The command's root, and what its parts share. Knows no command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from unrolled.cli.terminal import printable

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Recurrent networks as equations: train, sample, and look at the cells.",
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"unrolled {version('unrolled')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="say which version this is")
    ] = False,
) -> None:
    pass


AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line, for programs")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="the run's folder", show_default=False)]
Average = Annotated[
    int, typer.Option(help="the mean of the weights of so many of the last checkpoints", show_default=False)
]
Best = Annotated[bool, typer.Option("--best", help="the weights that were best on what is held out, not the newest")]


def print_json(values: Any) -> None:
    """One object on a line."""
    print(json.dumps(values), flush=True)


def table(title: str, rows: dict[str, str]) -> str:
    """Names and what belongs to them, one below the other; nothing for no rows."""
    if not rows:
        return ""
    wide = max(map(len, rows))
    return "\n".join([title, *(f"  {name:<{wide}}  {value}" for name, value in rows.items())])


def columns(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table with a head line, each column as wide as it needs to be."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    return "\n".join(
        printable("  ".join(f"{one:<{width}}" for one, width in zip(row, widths, strict=True))).rstrip()
        for row in [head, *rows]
    )
