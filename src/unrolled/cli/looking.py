"""The commands that look inside: flow. Options become verbs, results become text or JSON. No logic."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from unrolled.cli.app import AsJson, app, columns, print_json
from unrolled.inspection import Activation, Fate, fates

_RADII = (0.0, 0.9, 1.0, 1.1, 2.0)  # 0: as drawn


@app.command("flow")
def flow_command(
    radius: Annotated[
        list[float] | None,
        typer.Option(help="the size of W's largest eigenvalue, as often as wanted; 0: as drawn", show_default=False),
    ] = None,
    activation: Annotated[Activation, typer.Option(help="f")] = "relu",
    hidden: Annotated[int, typer.Option(min=1, max=1000, help="units")] = 5,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="back in time")] = 50,
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="networks")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="of the first")] = 0,
    as_json: AsJson = False,
) -> None:
    """Send a gradient back through many random networks, h = f(W h), and count where it vanishes and explodes."""
    wanted = tuple(None if one == 0 else one for one in radius or _RADII)
    found = fates(wanted, seeds=seeds, hidden=hidden, steps=steps, activation=activation, seed=seed)
    if as_json:
        for one in found:
            print_json(asdict(one))
        return
    print(f"h = {activation}(W h), W {hidden} x {hidden}, {steps} steps back, {seeds} networks\n")
    print(columns(("largest eigenvalue", "vanished", "exploded", "exactly 0", "median"), [_row(one) for one in found]))
    print("\nvanished: below a thousandth of what was put in; exploded: above a thousand times")


def _row(one: Fate) -> tuple[str, ...]:
    radius = "as drawn" if one.radius is None else f"{one.radius:g}"
    return radius, *(f"{share:.0%}" for share in (one.vanished, one.exploded, one.dead)), f"{one.median:.2g}"
