"""Peak memory of a training step, ours and torch.nn's.

    python -m benchmarks.memory

Forward and backward of a layer (50 steps), and of a language model with embedding, two LSTM layers, read-out and loss.
Each in a process of its own, in MB beyond what it had before: of the first step, and the peak of the steps after it
("warm", where memory that is kept for the next step counts). Freed memory goes back to the system at once
(MALLOC_MMAP_THRESHOLD_), so that what is seen is what is held.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CELLS = ("RNN", "LSTM", "GRU")
SIZES = ((64, 16), (128, 50), (512, 50), (512, 128), (1024, 16))  # hidden, batch
_STEPS = 50
_VOCABULARY = 65
_WARM = 5


def main() -> None:
    print("| | H | B | first: ours | torch.nn | ratio | warm: ours | torch.nn | ratio |")
    print("|---" * 9 + "|")
    for cell in CELLS:
        for hidden, batch in SIZES:
            _print(cell, hidden, batch, *(layer(who, cell, hidden, batch) for who in ("unrolled", "torch")))
    for hidden in (128, 512):
        _print("language model", hidden, 50, *(language_model(who, hidden) for who in ("unrolled", "torch")))


def _print(name: str, hidden: int, batch: int, ours: dict[str, float], theirs: dict[str, float]) -> None:
    pairs = [(ours[state], theirs[state]) for state in ("first", "warm")]
    told = " | ".join(f"{mine:.1f} | {other:.1f} | {mine / other:.2f}" for mine, other in pairs)
    print(f"| {name} | {hidden} | {batch} | {told} |", flush=True)


def layer(who: str, cell: str, hidden: int, batch: int) -> dict[str, float]:
    """MB of a layer's training step: "first" and "warm"."""
    return _measured("layer", who, cell, str(hidden), str(batch))


def language_model(who: str, hidden: int) -> dict[str, float]:
    """MB of a training step of a language model: two layers of `hidden` units, 50 rows, 50 steps."""
    return _measured("model", who, "LSTM", str(hidden), "50")


def _measured(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
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
    if len(sys.argv) > 1:
        print(json.dumps(_measure(*sys.argv[1:4], *map(int, sys.argv[4:]))))
    else:
        main()
