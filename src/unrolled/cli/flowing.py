"""The command flow: demonstrations of how gradients go back. Options become calls, results text or JSON. No logic."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from unrolled.cli.app import AsJson, app, columns, print_json
from unrolled.errors import ConfigError
from unrolled.inspection import Activation, Clipping, Initialised, backward_signals, clippings, depth_gradients, fates
from unrolled.runs import DepthConfig, depth_curves, validated

_RADII = (0.0, 0.9, 1.0, 1.1, 2.0)  # 0: as drawn
_EXPLODING = (0.0, 1.1, 2.0)
_FEW, _MANY = 5, 64  # units
_STEPS, _LONG = 50, 128
_LAGS = (1, 2, 5, 10, 20, 50, 100)
_COMMA = re.compile(r",\s*(?![^(]*\))")  # not between a cell's options
_ROWS = 10  # of a table with one row a layer, about
_COLUMNS = 6  # of a table with one column a measurement, about

_DEPTH = DepthConfig.model_fields

_OPTIONS = {  # what each demonstration knows; its own option asks for it
    "": {"radius", "activation", "hidden", "steps", "seeds", "seed"},
    "cells": {"hidden", "steps", "seed"},
    "clip": {"radius", "activation", "hidden", "steps", "seeds", "seed"},
    "depth": {"init", "hidden", "seed"},
    "data": {"depth", "measure", "hidden", "steps", "batch_size", "learning_rate", "seed", "out"},
}


@dataclass(frozen=True)
class _Shown:
    """A demonstration: what was found, an object each, and how it looks as a table."""

    title: str
    found: Sequence[dict[str, Any]]
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""


@app.command("flow")
def flow_command(
    context: typer.Context,
    radius: Annotated[
        list[float] | None,
        typer.Option(help="the size of W's largest eigenvalue, as often as wanted; 0: as drawn", show_default=False),
    ] = None,
    activation: Annotated[Activation, typer.Option(help="f")] = "relu",
    hidden: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help=f"units; default: {_FEW}, {_MANY} with --cells and --depth; {_DEPTH['channels'].default} channels with"
            " --data",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100_000,
            help=f"back in time; default: {_STEPS}, {_LONG} with --cells;"
            f" {_DEPTH['steps'].default} of training with --data",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="networks")] = 300,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="of the first")] = 0,
    depth: Annotated[
        int | None,
        typer.Option(min=2, max=10_000, help="instead, slide 77: so many layers, y = F(x) against y = x + F(x)"),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(help="instead: what clipping dL/dW there does, by norm and by element"),
    ] = None,
    cells: Annotated[
        str | None,
        typer.Option(help="instead: through fresh layers, such as rnn,lstm,lstm-without-forget,gru"),
    ] = None,
    init: Annotated[Initialised, typer.Option(help="with --depth: torch's initial values, or He's")] = "torch",
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="images with labels, such as digits, that networks of --depth layers"
            f" ({_DEPTH['layers'].default}) learn; needs --measure"
        ),
    ] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="with --data: others to measure by, such as digits-test")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000, help=f"with --data: images of a step; default: {_DEPTH['batch_size'].default}"
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help=f"with --data: of AdamW; default: {_DEPTH['learning_rate'].default}")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="with --data: a page with pictures", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a gradient back through many random networks, h = f(W h), and count where it vanishes and explodes."""
    _check(context)
    networks = {
        "seeds": seeds, "hidden": hidden or _FEW, "steps": steps or _STEPS, "activation": activation, "seed": seed,
    }  # fmt: skip
    if cells is not None:
        shown = _of_cells(_COMMA.split(cells), hidden or _MANY, steps or _LONG, seed)
    elif data is not None:
        asked = {
            "layers": depth, "channels": hidden, "steps": steps, "batch_size": batch_size,
            "learning_rate": learning_rate, "seed": seed,
        }  # fmt: skip
        shown = _of_images(data, measure or (), asked, out)
    elif depth is not None:
        shown = _of_depth(depth, hidden or _MANY, init, seed)
    elif clip is not None:
        shown = _of_clipping(clip, _sizes(radius or _EXPLODING), networks)
    else:
        shown = _of_fates(_sizes(radius or _RADII), networks)
    if as_json:
        for one in shown.found:
            print_json(one)
        return
    print(f"{shown.title}\n\n{columns(shown.head, shown.rows)}" + (f"\n\n{shown.note}" if shown.note else ""))


def _check(context: typer.Context) -> None:
    """Each demonstration has options of its own: what it does not know is no silence.

    Raises:
        ConfigError: two demonstrations, or an option of another one.
    """
    given = [
        name
        for name in context.params
        if name != "as_json" and (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    wanted = [name for name in _OPTIONS if name in given]
    if "data" in wanted and "depth" in wanted:
        wanted.remove("depth")
    if len(wanted) > 1:
        raise ConfigError(f"{' and '.join(f'--{name}' for name in wanted)} are demonstrations of their own: give one")
    what = wanted[0] if wanted else ""
    for name in given:
        if name not in _OPTIONS[what] | {what}:
            known = " ".join(map(_option, sorted(_OPTIONS[what])))
            raise ConfigError(
                f"{_option(name)} is not for 'unrolled flow{f' --{what}' if what else ''}', which has {known}"
            )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _sizes(radii: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(None if one == 0 else one for one in radii)


def _written(radius: float | None) -> str:
    return "as drawn" if radius is None else f"{radius:g}"


def _about(networks: dict[str, Any]) -> str:
    return "h = {activation}(W h), W {hidden} x {hidden}, {steps} steps back, {seeds} networks".format(**networks)


def _of_fates(radii: tuple[float | None, ...], networks: dict[str, Any]) -> _Shown:
    found = fates(radii, **networks)
    return _Shown(
        _about(networks),
        [asdict(one) for one in found],
        ("largest eigenvalue", "vanished", "exploded", "exactly 0", "median"),
        [
            (_written(one.radius), f"{one.vanished:.0%}", f"{one.exploded:.0%}", f"{one.dead:.0%}", f"{one.median:.2g}")
            for one in found
        ],
        "vanished: below a thousandth of what was put in; exploded: above a thousand times",
    )


def _of_clipping(threshold: float, radii: tuple[float | None, ...], networks: dict[str, Any]) -> _Shown:
    found = clippings(threshold, radii, **networks)
    return _Shown(
        f"{_about(networks)}: dL/dW, clipped at {threshold:g}",
        [asdict(one) for one in found],
        ("largest eigenvalue", "clipped", "norm", "by norm", "cosine", "by element", "cosine"),
        [_clipping_row(one) for one in found],
        "norm: before; cosine: with the direction before; medians over the networks that were clipped",
    )


def _clipping_row(one: Clipping) -> tuple[str, ...]:
    cuts = [one.by_norm, one.by_element]
    after = [text for cut in cuts for text in (("", "") if cut is None else (f"{cut.norm:.2g}", f"{cut.cosine:.3f}"))]
    return _written(one.radius), f"{one.clipped:.0%}", "" if one.norm is None else f"{one.norm:.2g}", *after


def _of_depth(layers: int, width: int, init: Initialised, seed: int) -> _Shown:
    found = depth_gradients(layers, width, init, seed)
    every = max(1, len(found) // _ROWS)
    return _Shown(
        f"the gradient in the weights of {layers} layers of {width} units, relative to the last layer's",
        [asdict(one) for one in found],
        ("layer", "plain, y = F(x)", "residual, y = x + F(x)"),
        [(f"{one.layer}", f"{one.plain:.2g}", f"{one.residual:.2g}") for one in [*found[:-1:every], found[-1]]],
        f"F: two layers with ReLU; initial values: {init}",
    )


def _of_images(learned: Sequence[str], measured: Sequence[str], asked: dict[str, Any], out: Path | None) -> _Shown:
    given = {name: value for name, value in asked.items() if value is not None}
    if not measured:
        raise ConfigError("--data needs --measure: other images, by which the networks are measured (digits-test)")
    config = validated(DepthConfig, {"data": learned, "measured": measured, **given}, "--depth --data", ConfigError)
    found = depth_curves(config, out, say=lambda doing: print(f"... {doing}", file=sys.stderr, flush=True))
    steps = found.learnt[0].steps
    shown = [*range(0, len(steps) - 1, max(1, len(steps) // _COLUMNS)), len(steps) - 1]
    return _Shown(
        "\n".join(found.facts),
        [asdict(one) for one in found.learnt],
        ("network", "first layer's gradient", *(f"after {steps[place]:,}" for place in shown)),
        [
            (one.name, f"{one.gradients[0]:.2g}", *(f"{one.accuracies[place]:.1%}" for place in shown))
            for one in found.learnt
        ],
        "gradient: before training, relative to the last layer's; after so many steps: how many of the others are right"
        + (f"\n\nthe page: {out}" if out else ""),
    )


def _of_cells(cells: Sequence[str], hidden: int, steps: int, seed: int) -> _Shown:
    lags = [lag for lag in _LAGS if lag < steps]
    found = [(one, one.norms()) for one in backward_signals([name.strip() for name in cells], hidden, steps, seed)]
    return _Shown(
        f"the gradient in the states of fresh layers of {hidden} units, so many steps back, relative to where it began",
        [
            {"name": one.name, "value": one.address, "norms": {lag: float(norms[lag]) for lag in lags}}
            for one, norms in found
        ],
        ("cell", "value", *map(str, lags)),
        [(one.name, one.address, *(f"{float(norms[lag]):.2g}" for lag in lags)) for one, norms in found],
    )
