"""The command that makes files for other programs: export. Options become a verb, results text or JSON. No logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from unrolled.cli.app import AsJson, Average, Best, RunPath, app, print_json
from unrolled.cli.terminal import complain, printable
from unrolled.runs import ExportedFile, export


@app.command("export")
def export_command(
    run: RunPath,
    to: Annotated[Literal["onnx"], typer.Option(help="the format")] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="the file; default: model.onnx, in the run's folder", show_default=False),
    ] = None,
    best: Best = False,
    average: Average = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace also what is no ONNX file")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a run's model for other programs: ONNX, which needs neither Unrolled nor torch.

    A file for the whole sequence, and one for a single step where the model can be run step by step: to be used as
    input comes, with the states in the caller's hands. Each is run before it is kept, and equals the run.
    """
    for one in export(run, to, out, best=best, average=average, overwrite=overwrite, warn=partial(complain, "warning")):
        if as_json:
            print_json(asdict(one))
        else:
            print(printable(_told(one)))


def _told(one: ExportedFile) -> str:
    layers = "".join(f"\n  {name}: {operator}" for name, operator in one.layers.items())
    return (
        f"{one.path}\n  {one.function}: {_ports(one.inputs)} -> {_ports(one.outputs)}{layers}\n"
        f"  as the run says it, to {one.difference:.1e} of its scale"
    )


def _ports(ports: Mapping[str, tuple[int | str, ...]]) -> str:
    return ", ".join(f"{name} [{', '.join(map(str, shape))}]" for name, shape in ports.items())
