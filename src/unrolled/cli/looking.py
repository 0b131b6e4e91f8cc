"""The command that looks inside a run: look. Options become verbs, results become text or JSON. No logic."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import asdict
from functools import partial
from itertools import groupby
from typing import Annotated

import typer

from unrolled.cli.app import AsJson, Best, RunPath, app, print_json
from unrolled.cli.terminal import complain, printable
from unrolled.errors import ConfigError
from unrolled.runs import look


@app.command("look")
def look_command(
    run: RunPath,
    text: Annotated[
        list[str] | None,
        typer.Option(help="what it reads: a file, folder or pattern; else what was held out", show_default=False),
    ] = None,
    characters: Annotated[int, typer.Option(help="how many it reads")] = 50_000,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=REGEX", help="a label of your own: true within a match", show_default=False),
    ] = None,
    best: Best = False,
    as_json: AsJson = False,
) -> None:
    """Look inside a run while it reads: units that track something, gates, gradients, and what it has learned."""
    found = look(
        run,
        text or (),
        characters=characters,
        labels=dict(map(_named, label or ())),
        best=best,
        say=_say,
        warn=partial(complain, "warning"),
    )
    if as_json:
        for one in found.account.sentences:
            print_json(asdict(one))
        return
    print(f"{found.characters:,} characters of {printable(found.text)}")
    for about, sentences in groupby(found.account.sentences, key=lambda one: one.about):
        print(f"\n{about}")
        for one in sentences:
            print(textwrap.fill(printable(one.text), 110, initial_indent="  ", subsequent_indent="    "))


def _say(doing: str) -> None:
    """What is going on, where it does not mix with what was found."""
    print(f"... {doing}", file=sys.stderr, flush=True)


def _named(text: str) -> tuple[str, str]:
    """`url=https?://` as a name and a regular expression."""
    name, sign, pattern = text.partition("=")
    if not (name and sign and pattern):
        raise ConfigError(f"--label {text}: write a name and a regular expression, url=https?://")
    return name, pattern
