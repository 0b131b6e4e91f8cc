"""Drawers on real digits, three seeds each: what `unrolled train --task draw` comes to, and what its parts are worth.

    unrolled data get digits           # and digits-test, to measure by
    python -m benchmarks.drawing [--only draw vae] [--seeds 1 2 3] [--minutes 20 | --steps 5000] [--runs FOLDER]

All learn the same 4,000 digits (a twentieth of them chooses the best weights) for the same time, with the same options
but those of the table, and are measured by 1,000 others, pixels that are 128 of 255 or more as 1, in nats per image:
the bound, in the mean over ten draws.

    draw            ten steps without attention
    one             one step: the same network, its weights and its number of z
    vae             a variational autoencoder of that size: one layer of tanh on each side, as many z, and as many
                    weights as `draw` has (those that multiply nothing but zeros not counted)
    attention       ten steps that read and write through windows
    attention-one   one of them
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is here, as the command does: docs/decisions/0003

import torch

from unrolled import DrawConfig, cell, evaluate, load, train
from unrolled.models import Drawer, DrawerConfig
from unrolled.ops import affine, tanh

_PIXELS = 28 * 28
_DRAWS = 10
_WINDOWS = {"read_size": 5, "write_size": 5}
_FEEDFORWARD = f"{__file__}:feedforward"


@dataclass(frozen=True)
class Variant:
    """Options that are others than the defaults."""

    options: dict[str, Any] = field(default_factory=dict)

    def config(self, **settings: Any) -> DrawConfig:
        """All options of a run."""
        return DrawConfig(data=("digits",), val_frac=0.05, evaluations=20, samples=0, **self.options, **settings)


@dataclass(frozen=True)
class Measured:
    """What a run came to."""

    nats: float
    reconstruction: float
    latent: float
    steps: int
    seconds: float
    parameters: int


@cell
def feedforward(x, h):  # type: ignore[no-untyped-def]
    """One layer of tanh, which knows nothing of the step before."""
    del h
    return tanh(affine(x))


def _units_of_same_size() -> int:
    """How wide a feedforward cell is with which a drawer has as many weights as the default one."""
    ours = DrawConfig()
    sizes = DrawerConfig(
        shape=(1, 28, 28), steps=ours.strokes, hidden_size=ours.hidden_size, latent_size=ours.latent_size
    )
    whole = sum(one.numel() for one in Drawer(sizes, ours.cell).parameters())
    # the image twice into the encoder, mu and sigma out of it; z into the decoder, the image out of it
    of_a_unit = 2 * _PIXELS + 2 * ours.latent_size + ours.latent_size + _PIXELS
    return round(whole / of_a_unit)


def variants() -> dict[str, Variant]:
    """All that are compared."""
    return {
        "draw": Variant(),
        "one": Variant({"strokes": 1}),
        "vae": Variant({"strokes": 1, "cell": _FEEDFORWARD, "hidden_size": _units_of_same_size()}),
        "attention": Variant(_WINDOWS),
        "attention-one": Variant({"strokes": 1, **_WINDOWS}),
    }


def main() -> None:
    every = variants()
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--only", choices=[*every], nargs="+", default=[*every])
    made.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    made.add_argument("--minutes", type=float, default=20.0)
    made.add_argument("--steps", type=int, help="in place of a time")
    made.add_argument("--runs", type=Path, help="keep the runs here")
    asked = made.parse_args()
    length = {"minutes": asked.minutes} if asked.steps is None else {"steps": asked.steps}
    print("| variant | parameters | nats | reconstruction | latent | steps | seconds a step |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.only:
        print_variant(name, every[name], asked.seeds, length, asked.runs)


def print_variant(name: str, one: Variant, seeds: Sequence[int], length: dict[str, Any], runs: Path | None) -> None:
    """Train with every seed, and print what they came to."""
    found = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measured(one.config(seed=seed, **length), (runs or Path(folder)) / f"{name}-{seed}"))
        print(_row(f"{name}, seed {seed}", [found[-1]]), flush=True)
    if len(found) > 1:
        print(_row(f"**{name}**, median", found), flush=True)


def measured(config: DrawConfig, place: Path) -> Measured:
    """Train, and measure the best weights."""
    started = time.monotonic()
    path = train(config, place)
    seconds = time.monotonic() - started
    run = load(path)
    score = evaluate(path, "digits-test", best=True, draws=_DRAWS)
    return Measured(
        nats=score.nats,  # type: ignore[attr-defined]
        reconstruction=score.reconstruction,  # type: ignore[attr-defined]
        latent=score.latent,  # type: ignore[attr-defined]
        steps=run.step,
        seconds=seconds,
        parameters=sum(one.numel() for one in run.model.parameters()),
    )


def _row(name: str, found: Sequence[Measured]) -> str:
    def middle(what: str) -> float:
        return statistics.median(getattr(one, what) for one in found)

    each = statistics.median(one.seconds / one.steps for one in found)
    return (
        f"| {name} | {middle('parameters'):,.0f} | {middle('nats'):.2f} | {middle('reconstruction'):.2f} |"
        f" {middle('latent'):.2f} | {middle('steps'):,.0f} | {each:.4f} |"
    )


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
