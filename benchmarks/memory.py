"""Peak memory of a training step, ours and torch.nn's.

    python -m benchmarks.memory [--only LSTM H=512] [--json FILE]

Forward and backward of a layer (50 steps), and of a language model with embedding, two LSTM layers, read-out and loss.
Each in a process of its own, in MB beyond what it had before: of the first step, and the peak of the steps after it
("warm", where memory that is kept for the next step counts). Freed memory goes back to the system at once
(MALLOC_MMAP_THRESHOLD_), so that what is seen is what is held.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.report import Report, Row, is_wanted, parser, progress, report

CELLS = ("RNN", "LSTM", "GRU")
SIZES = ((64, 16), (128, 50), (512, 50), (512, 128), (1024, 16))  # hidden, batch
_MODEL = "language-model"
_STEPS = 50
_VOCABULARY = 65
_WARM = 5
_ONE = "one"  # the word before the arguments of a process that measures one step


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(words)
    report("memory", "Peak memory of a training step", options, lambda made: _table(made, options))


def _table(made: Report, options: argparse.Namespace) -> None:
    cases: list[tuple[str, int, int]] = [(cell, *size) for cell in CELLS for size in SIZES]
    cases += [(_MODEL, hidden, 50) for hidden in (128, 512)]
    if options.quick:
        cases = [("LSTM", 64, 16), (_MODEL, 128, 50)]
    made.table("MB", [_row(*case) for case in cases if is_wanted(_name(*case), options)])


def _name(what: str, hidden: int, batch: int) -> str:
    return f"{what} H={hidden} B={batch}"


def _row(what: str, hidden: int, batch: int) -> Row:
    progress(_name(what, hidden, batch))
    if what == _MODEL:
        ours, theirs = (language_model(who, hidden) for who in ("unrolled", "torch"))
    else:
        ours, theirs = (layer(who, what, hidden, batch) for who in ("unrolled", "torch"))
    told = {"": what, "H": hidden, "B": batch}
    for when in ("first", "warm"):
        told |= {
            f"{when}, ours": ours[when],
            f"{when}, torch.nn": theirs[when],
            f"{when}, ratio": ours[when] / theirs[when],
        }
    return told


def layer(who: str, cell: str, hidden: int, batch: int) -> dict[str, float]:
    """MB of a layer's training step: "first" and "warm"."""
    return _measured("layer", who, cell, str(hidden), str(batch))


def language_model(who: str, hidden: int) -> dict[str, float]:
    """MB of a training step of a language model: two layers of `hidden` units, 50 rows, 50 steps."""
    return _measured("model", who, "LSTM", str(hidden), "50")


def _measured(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory", _ONE, *arguments]
    variables = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    return json.loads(ended.stdout)


def _measure(what: str, who: str, cell: str, hidden: int, batch: int) -> dict[str, float]:
    make = _layer_step if what == "layer" else _model_step
    make(who, cell, 33, 7)()  # (loads code, which is not what is measured)
    step = make(who, cell, hidden, batch)
    before = _megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    step()
    first = _megabytes("VmHWM") - before
    for _ in range(_WARM):
        step()
    return {"first": first, "warm": _megabytes("VmHWM") - before}


def _made(who: str, cell: str, *sizes: int) -> nn.Module:
    import unrolled

    return getattr(unrolled if who == "unrolled" else nn, cell)(*sizes)


def _layer_step(who: str, cell: str, hidden: int, batch: int) -> Callable[[], None]:
    made = _made(who, cell, hidden, hidden)
    x, gradient = torch.randn(_STEPS, batch, hidden, requires_grad=True), torch.randn(_STEPS, batch, hidden)

    def step() -> None:
        made(x)[0].backward(gradient)
        made.zero_grad()
        x.grad = None

    return step


def _model_step(who: str, cell: str, hidden: int, batch: int) -> Callable[[], None]:
    embedding, made = nn.Embedding(_VOCABULARY, hidden), _made(who, cell, hidden, hidden, 2)
    read_out = nn.Linear(hidden, _VOCABULARY)
    modules = nn.ModuleList([embedding, made, read_out])
    ids: Tensor = torch.randint(_VOCABULARY, (_STEPS, batch))

    def step() -> None:
        logits = read_out(made(embedding(ids))[0])
        F.cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()
        modules.zero_grad()

    return step


def _megabytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == [_ONE]:
        print(json.dumps(_measure(*sys.argv[2:5], *map(int, sys.argv[5:]))))
    else:
        main()
