"""A model that writes: characters per second of a language model of two LSTM layers, alone and in 64 streams.

    python -m benchmarks.sampling [--only H=128] [--json FILE]

Each step is everything: embedding, both layers, read-out, a draw at temperature 0.8, and the id back to the beginning.
Ours has matrices of float32, bfloat16 and int8 (`precision=` of `generate`), with one thread or two. torch's way is the
fastest of `nn.LSTM` and `nn.LSTMCell`, oneDNN on or off, one thread or two, under inference mode.

Memory bandwidth is that of reading as many bytes as the weights have, again and again: nobody who reads all weights
for each character can be faster.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import bandwidth, has_engine, matrix_rates
from benchmarks.measure import Entry, Time, WrongAnswerError, check, race, with_threads
from benchmarks.report import Report, Row, is_wanted, parser, progress, report
from benchmarks.torch_models import TorchCells, TorchModel
from unrolled import LanguageModel, LanguageModelConfig, Strategy, cells, generate, use_engine
from unrolled.engine import Precision, State
from unrolled.generation import writer

TEMPERATURE, VOCABULARY, EMBEDDING, STREAMS = 0.8, 65, 64, 64
_PRECISIONS: dict[str, Precision] = {"unrolled": "float32", "unrolled, bf16": "bf16", "unrolled, int8": "int8"}
_TOLERANCE: dict[Precision, float] = {"bf16": 3e-2, "int8": 6e-2}  # of logits, against those of float32
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


@dataclass(frozen=True)
class Case:
    """A model, how many texts it writes at once, and how long they are."""

    hidden: int
    streams: int
    length: int

    def __str__(self) -> str:
        return f"H={self.hidden} streams={self.streams}"


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(words)
    report("sampling", "Sampling, float32", options, lambda made: _measure(made, options))


def cases(options: argparse.Namespace) -> list[Case]:
    """The cases that the options ask for."""
    sizes = (
        [(9, 1, 6), (9, 3, 6)]
        if options.quick
        else [(128, 1, 1000), (512, 1, 300), (128, STREAMS, 100), (512, STREAMS, 50)]
    )
    return [case for case in (Case(*size) for size in sizes) if is_wanted(str(case), options)]


def _measure(made: Report, options: argparse.Namespace) -> None:
    chosen = cases(options)
    made.table("One stream", [_row(case, options) for case in chosen if case.streams == 1])
    made.table("Many streams", [_row(case, options) for case in chosen if case.streams > 1])


def _row(case: Case, options: argparse.Namespace) -> Row:
    progress(str(case))
    model = _model(case.hidden)
    _gate(case, model)
    times = race([*_ours(case, model), *_theirs(case, model)], options.rounds)
    speeds = {team: _speed(case, time) for team, time in times.items()}
    ours, theirs = speeds["unrolled"], speeds["torch"]
    row = {
        "H": case.hidden, "streams": case.streams, "torch, characters/s": theirs,
        "torch's way": f"{times['torch'].way}, {times['torch'].threads}",
    }  # fmt: skip
    for team in _precisions():
        row |= {f"{team}, characters/s": speeds[team], f"{team}, ratio": speeds[team] / theirs}
    return row | (_of_the_bandwidth(model, ours) if case.streams == 1 else _of_the_matrix_rate(case, model, ours))


def _speed(case: Case, time: Time) -> float:
    return case.streams * case.length / time.ms * 1e3


def _of_the_bandwidth(model: LanguageModel, speed: float) -> Row:
    """Every weight but the embedding's is read for each character."""
    size = sum(one.numel() * one.element_size() for one in [*model.rnn.parameters(), *model.read_out.parameters()])
    rate = bandwidth(size)
    return {"weights, MB": size / 1e6, "bandwidth, GB/s": rate, "share of the bandwidth": speed * size / rate / 1e9}


def _of_the_matrix_rate(case: Case, model: LanguageModel, speed: float) -> Row:
    """Against a product of the shape of one layer's step: B rows, x and h side by side, four gates."""
    products = sum(one.numel() for one in [*model.rnn.parameters(), model.read_out.weight] if one.dim() == 2)
    rate = max(matrix_rates(shape=(case.streams, 2 * case.hidden, 4 * case.hidden)).values())
    reached = 2 * products * speed / 1e9
    return {"GFLOP/s": reached, "matrix rate at that shape": rate, "share of the matrix rate": reached / rate}


def _model(hidden: int) -> LanguageModel:
    sizes = LanguageModelConfig(vocab_size=VOCABULARY, embedding_size=EMBEDDING, hidden_size=hidden, num_layers=2)
    model = LanguageModel(sizes, cells.lstm).eval()
    with torch.no_grad():
        model.read_out.weight.mul_(10)  # else all symbols are alike to it, and the gate sees little
    return model


# --- who takes part


def _ours(case: Case, model: LanguageModel) -> list[Entry]:
    """The engine, for each type of the matrices."""
    return [
        entry
        for team, precision in _precisions().items()
        for entry in with_threads(team, partial(written, model, case, TEMPERATURE, precision))
    ]


def _theirs(case: Case, model: LanguageModel) -> list[Entry]:
    plain = TorchModel(model).eval()
    return [
        entry
        for name, step in (("nn.LSTM", plain.step), ("nn.LSTMCell", TorchCells(plain).eval().step))
        for is_on in (True, False)
        for entry in with_threads(
            "torch", _looped(step, case, is_on=is_on), f"{name}{'' if is_on else ' without oneDNN'}"
        )
    ]


def _looped(step: Step, case: Case, *, is_on: bool) -> Callable[[], Tensor]:
    def run() -> Tensor:
        before = torch._C._get_mkldnn_enabled()
        torch._C._set_mkldnn_enabled(is_on)  # (torch.backends.mkldnn.flags warns of Intel's graphics processors)
        try:
            return streams(step, case, TEMPERATURE)
        finally:
            torch._C._set_mkldnn_enabled(before)

    return run


def _precisions() -> dict[str, Precision]:
    """The types that the matrices may have: all with the engine, else float32 alone."""
    return _PRECISIONS if has_engine() else {"unrolled": "float32"}


def written(model: LanguageModel, case: Case, temperature: float, precision: Precision = "float32") -> Tensor:
    """What our model writes after the symbols 1, 2, 3 ...: `[length, B]`. One text by `generate`, as users do."""
    strategy = Strategy(temperature)
    if case.streams == 1:
        prompt, chance = np.array([1], dtype=np.int64), torch.Generator().manual_seed(1)
        return torch.tensor(list(generate(model, prompt, case.length, strategy, chance, precision))).unsqueeze(-1)
    write = writer(model, strategy, precision)
    logits, state = _after_the_first(model, case)
    return write(logits, state, torch.rand(case.length, case.streams, dtype=torch.float64))[0]


@torch.no_grad()
def _after_the_first(model: LanguageModel, case: Case) -> tuple[Tensor, State]:
    """The logits `[B, V]` after the first symbol of each text, and the states."""
    logits, state = model(_first(case).unsqueeze(0))
    return logits.squeeze(0), state


def _first(case: Case) -> Tensor:
    return 1 + torch.arange(case.streams) % (VOCABULARY - 1)


@torch.inference_mode()
def streams(step: Step, case: Case, temperature: float) -> Tensor:
    """What a loop over `step` writes after the symbols 1, 2, 3 ...: `[length, B]`."""
    ids, state, told = _first(case), None, []
    for _ in range(case.length):
        logits, state = step(ids, state)
        if temperature:
            ids = torch.multinomial((logits / temperature).softmax(dim=-1), 1).squeeze(-1)
        else:
            ids = logits.argmax(dim=-1)
        told.append(ids)
    return torch.stack(told)


# --- the gate: the same logits, and the same text where the most likely symbol is always taken


def _gate(case: Case, model: LanguageModel) -> None:
    plain = TorchModel(model).eval()
    ids = torch.randint(VOCABULARY, (case.length, case.streams))
    with torch.no_grad(), use_engine("reference"):
        truth = {"logits": _exact(model)(ids)[0]}
    with torch.no_grad():
        steps = {"unrolled": model.step, "nn.LSTM": plain.step, "nn.LSTMCell": TorchCells(plain).step}
        check(str(case), {who: {"logits": _stepped(step, ids)} for who, step in steps.items()}, truth, 1e-5)
    _gate_of_texts(case, model, plain)
    _gate_of_precisions(case, model)


def _gate_of_texts(case: Case, model: LanguageModel, plain: TorchModel) -> None:
    short = Case(case.hidden, case.streams, min(case.length, 50))
    ours, theirs = written(model, short, 0.0), streams(plain.step, short, 0.0)
    if not torch.equal(ours, theirs):
        step = int((ours != theirs).any(dim=1).nonzero()[0])
        raise WrongAnswerError(f"{case}: ours and nn.LSTM write different texts from symbol {step} on")


def _gate_of_precisions(case: Case, model: LanguageModel) -> None:
    """Whatever the type of the matrices, the logits after one more symbol are nearly the same."""
    logits, state = _after_the_first(model, case)
    number = torch.zeros(1, case.streams, dtype=torch.float64)
    after = {one: writer(model, Strategy(0.0), one)(logits, state, number)[1] for one in _precisions().values()}
    for precision, most in _TOLERANCE.items():
        if precision in after:
            answers = {"unrolled": {"logits": after[precision]}}
            check(f"{case}, {precision}", answers, {"logits": after["float32"]}, most)


def _stepped(step: Step, ids: Tensor) -> Tensor:
    state, told = None, []
    for now in ids:
        logits, state = step(now, state)
        told.append(logits)
    return torch.stack(told)


def _exact(model: LanguageModel) -> LanguageModel:
    copied = LanguageModel(model.config, model.rnn.graph)
    copied.load_state_dict(model.state_dict())
    return copied.double().eval()


if __name__ == "__main__":
    main()
