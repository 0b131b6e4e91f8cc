"""The command that looks inside a run: look. Options become verbs, results become text or JSON. No logic."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from unrolled.cli.app import AsJson, Average, Best, app, print_json
from unrolled.cli.options import given, with_look_options
from unrolled.cli.terminal import complain, printable
from unrolled.errors import ConfigError
from unrolled.runs import check_place, look


@app.command("look")
@with_look_options
def look_command(
    run: Annotated[
        str, typer.Argument(metavar="RUN|MODEL", help="a run's folder, or file.py:function", show_default=False)
    ],
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="what it reads: files, folders, globs, or '-'; none: what was held out",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="the report; default: report.html, in the run's folder", show_default=False),
    ] = None,
    characters: Annotated[int, typer.Option(help="how many it reads; of examples, steps")] = 100_000,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=REGEX", help="a label of your own: true within a match", show_default=False),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="the same: a number for each character", show_default=False),
    ] = None,
    best: Best = False,
    average: Average = 0,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Look inside a run while it reads, or inside any PyTorch model, and write what is found into one HTML file.

    Units that track something, gates, memory, gradients, and what was learned, in words and pictures. A MODEL is
    file.py:function: the function returns the model and what to call it with. With --json: words only, no report.
    """
    if out is not None:
        check_place(out)  # (before it is looked)
    found = look(
        run,
        data or (),
        characters=characters,
        labels=_labels(label or (), column or ()),
        best=best,
        average=average,
        say=_say,
        warn=partial(complain, "warning"),
        **given(options),
    )
    if as_json:
        for one in found.sentences:
            print_json(asdict(one))
    else:
        print(f"{found.steps:,} {found.account.step}s: {printable(found.text)}")
        for about, sentences in groupby(found.sentences, key=lambda one: one.about):
            print(f"\n{about}")
            for one in sentences:
                print(textwrap.fill(printable(one.text), 110, initial_indent="  ", subsequent_indent="    "))
    if out is not None or not as_json:
        _say("the report")
        place = found.write(out)
        print(f"\nreport: {printable(str(place))}", file=sys.stderr if as_json else sys.stdout)


def _say(doing: str) -> None:
    """What is going on, where it does not mix with what was found."""
    print(f"... {doing}", file=sys.stderr, flush=True)


def _labels(patterns: Sequence[str], files: Sequence[str]) -> dict[str, Any]:
    given = [*map(_named, patterns), *((name, Path(file)) for name, file in map(_named, files))]
    labels = dict(given)
    if len(labels) < len(given):
        raise ConfigError("two labels have the same name: give each another one")
    return labels


def _named(text: str) -> tuple[str, str]:
    """`url=https?://` as a name and what belongs to it."""
    name, sign, given = text.partition("=")
    if not (name and sign and given):
        raise ConfigError(
            f"{text!r} is no label: write a name and a regular expression, --label 'url=https?://', or a file"
        )
    return name, given
