"""One step of an LSTM layer at a time, from Python, as a stream is read: microseconds a step.

    python -m benchmarks.stepping [--only H=128] [--json FILE]

Ours is `layer.stepper()` and `layer.step`, torch's `nn.LSTMCell` and `nn.LSTM`, under inference mode, each with one
thread or two.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import Entry, check, race, with_threads
from benchmarks.report import Report, Row, is_wanted, parser, progress, report
from unrolled import LSTM, Recurrent

_STEPS = 50
_QUICK, _SIZES = ((9, 3),), ((64, 1), (128, 1), (512, 1), (64, 16), (128, 16), (512, 16))  # hidden, batch
Run = Callable[[Tensor], Tensor]


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(words)
    report("stepping", "One step at a time", options, lambda made: _measure(made, options))


def _measure(made: Report, options: argparse.Namespace) -> None:
    sizes = _QUICK if options.quick else _SIZES
    rows = [_row(*size, options) for size in sizes if is_wanted(_name(*size), options)]
    made.table("Microseconds a step", rows)


def _name(hidden: int, batch: int) -> str:
    return f"H={hidden} B={batch}"


def _row(hidden: int, batch: int, options: argparse.Namespace) -> Row:
    progress(_name(hidden, batch))
    x = torch.randn(_STEPS, batch, hidden)
    runs = _runs(hidden, batch)
    for who, (run, module) in runs.items():
        with torch.no_grad():
            answer, right = {"output": run(x)}, {"output": copy.deepcopy(module).double()(x.double())[0]}
        check(_name(hidden, batch), {who: answer}, right, 1e-5)
    entries = [one for who, (run, _) in runs.items() for one in _entries(who, run, x)]
    micro = {team: time.ms * 1e3 / _STEPS for team, time in race(entries, options.rounds).items()}
    return {"H": hidden, "B": batch, **micro, "nn.LSTMCell / stepper": micro["nn.LSTMCell"] / micro["stepper"]}


def _entries(who: str, run: Run, x: Tensor) -> list[Entry]:
    return with_threads(who, torch.inference_mode()(partial(run, x)))


def _runs(hidden: int, batch: int) -> dict[str, tuple[Run, nn.Module]]:
    """Who takes part: what reads step by step, and the layer that reads the whole and has to say the same."""
    ours, stepped = Recurrent("lstm", hidden, hidden), LSTM(hidden, hidden)
    layer, cell = nn.LSTM(hidden, hidden), nn.LSTMCell(hidden, hidden)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    return {
        "stepper": (partial(_with_stepper, stepped, batch), stepped),
        "layer.step": (partial(_loop, ours.step), ours),
        "nn.LSTMCell": (partial(_cell_loop, cell), layer),
        "nn.LSTM": (partial(_loop, lambda x, state: layer(x.unsqueeze(0), state)), layer),
    }


def _with_stepper(layer: LSTM, batch: int, x: Tensor) -> Tensor:
    stepper = layer.stepper(batch)
    return torch.stack([stepper(one) for one in x])


def _loop(step: Callable[[Tensor, Any], tuple[Tensor, Any]], x: Tensor) -> Tensor:
    outputs, state = [], None
    for one in x:
        output, state = step(one, state)
        outputs.append(output)
    return torch.stack(outputs).view(*x.shape[:2], -1)


def _cell_loop(cell: nn.LSTMCell, x: Tensor) -> Tensor:
    def step(one: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = cell(one, state)
        return h, (h, c)

    return _loop(step, x)


if __name__ == "__main__":
    main()
