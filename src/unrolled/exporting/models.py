"""What each kind of model is in ONNX: its functions, made of its parts. A new kind of model is one function here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor, nn

from unrolled.engine import State
from unrolled.errors import ExportError
from unrolled.exporting import recurrent
from unrolled.exporting.fronts import Reading, reading
from unrolled.exporting.function import Arrays, Function, Trial
from unrolled.exporting.lengths import lengths_of
from unrolled.exporting.modules import one_hot, write
from unrolled.exporting.pooling import pooled
from unrolled.exporting.recurrent import CAME, GOES, layers_of
from unrolled.exporting.sheet import Sheet
from unrolled.layers import Pool, Recurrent
from unrolled.models import Classifier, LanguageModel, Tagger
from unrolled.models.sequences import SequenceModel

Answer = Mapping[str, Tensor]  # outputs, by their names


@singledispatch
def functions_of(model: nn.Module) -> list[Function]:
    """The functions of a model in ONNX: the whole sequence, and one step where it can be run step by step.

    Raises:
        ExportError: nobody has said what such a model is in ONNX.
    """
    raise ExportError(f"a {type(model).__name__} cannot be exported: nobody has said what it is in ONNX")


@functions_of.register
def _(model: LanguageModel) -> list[Function]:
    count = model.config.vocab_size

    def front(sheet: Sheet, ids: str) -> str:
        return one_hot(sheet, ids, count) if model.embedding is None else write(model.embedding, sheet, ids)

    def whole(ids: Tensor, lengths: Tensor) -> Answer:
        return _answer(*model(ids, lengths=lengths))

    parts = Parts(Reading("int64", count=count), front, model.rnn, model.read_out)
    return [sequence(parts, whole, with_states=True), step(parts, lambda ids: _each(_answer(*model(ids))))]


@functions_of.register
def _(model: Tagger) -> list[Function]:
    streams = not model.config.bidirectional

    def whole(inputs: Tensor, lengths: Tensor) -> Answer:
        _, states = model.rnn(model.front(inputs), lengths=lengths)
        return _answer(model(inputs, lengths), states if streams else {})

    def each(inputs: Tensor) -> list[Answer]:
        return _each(whole(inputs, _full(inputs, len(inputs))))

    parts = _parts(model)
    return [sequence(parts, whole, with_states=streams), *([step(parts, each)] if streams else [])]


@functions_of.register
def _(model: Classifier) -> list[Function]:
    def whole(inputs: Tensor, lengths: Tensor) -> Answer:
        return {"logits": model(inputs, lengths)}

    def each(inputs: Tensor) -> list[Answer]:
        ends = range(1, len(inputs) + 1)
        return [whole(inputs[:end], _full(inputs, end)) for end in ends]

    parts = _parts(model)
    # what it says of the steps until now is what it says at the last one: of a mean, the states do not know enough
    streams = model.config.pooling == "last" and not model.config.bidirectional  # type: ignore[attr-defined]
    return [sequence(parts, whole, model.pool), *([step(parts, each)] if streams else [])]


@dataclass(frozen=True)
class Parts:
    """What most models are made of. `front` writes what it makes of its inputs."""

    reading: Reading
    front: Callable[[Sheet, str], str]
    rnn: Recurrent
    read_out: nn.Linear


def sequence(
    parts: Parts, whole: Callable[[Tensor, Tensor], Answer], pool: Pool | None = None, *, with_states: bool = False
) -> Function:
    """Inputs `[T, B, ...]` and lengths `[B]` -> logits `[T, B, K]`, or `[B, K]` where a sequence becomes one vector.

    `whole`: what the model itself says. `with_states`: the states after each row's last real step go out, too.
    """
    sheet, layers = Sheet(), layers_of(parts.rnn)
    inputs = parts.reading.input(sheet, "T", "B")
    lengths = lengths_of(sheet, inputs, sheet.input("lengths", "int64", ("B",)))
    hidden, states = recurrent.sequence(sheet, layers, parts.front(sheet, inputs), lengths)
    found = hidden if pool is None else pooled(sheet, pool, hidden, lengths, parts.rnn.output_size)
    before = ("T", "B") if pool is None else ("B",)
    logits = write(parts.read_out, sheet, found)
    sheet.output("logits", logits, "float32", (*before, parts.read_out.out_features))
    if with_states:
        recurrent.states_out(sheet, layers, states)

    @torch.no_grad()
    def trials(steps: int, rows: int) -> list[Trial]:
        generator = torch.Generator().manual_seed(0)
        long = _some_lengths(steps, rows)
        drawn = parts.reading.draw(long, generator)
        return [Trial(_arrays({"inputs": drawn, "lengths": long}), _arrays(whole(drawn, long)))]

    return Function("sequence", sheet, trials, written_as=layers.written_as)


def step(parts: Parts, each: Callable[[Tensor], list[Answer]]) -> Function:
    """Inputs `[B, ...]` and the states `[L, B, width]` -> logits `[B, K]`, and the states to go on from.

    `each`: what the model itself says after each step of a sequence `[T, B, ...]`.
    """
    sheet, layers = Sheet(), layers_of(parts.rnn)
    inputs = parts.reading.input(sheet, "B")
    states = recurrent.states_in(sheet, layers)
    hidden, after = recurrent.one_step(sheet, layers, parts.front(sheet, inputs), states)
    sheet.output("logits", write(parts.read_out, sheet, hidden), "float32", ("B", parts.read_out.out_features))
    recurrent.states_out(sheet, layers, after)

    @torch.no_grad()
    def trials(steps: int, rows: int) -> list[Trial]:
        drawn = parts.reading.draw(torch.full((rows,), steps), torch.Generator().manual_seed(0))
        begins = {CAME + name: value for name, value in parts.rnn.zero_state(rows).items()}
        given = [{"inputs": one, **({} if place else begins)} for place, one in enumerate(drawn)]
        return [Trial(_arrays(a), _arrays(b)) for a, b in zip(given, each(drawn), strict=True)]

    return Function("step", sheet, trials, recurrent.carried(layers))


def _parts(model: SequenceModel) -> Parts:
    def front(sheet: Sheet, inputs: str) -> str:
        return write(model.front, sheet, inputs)

    return Parts(reading(model.front), front, model.rnn, model.read_out)


def _answer(logits: Tensor, states: State) -> Answer:
    return {"logits": logits, **{GOES + name: value for name, value in states.items()}}


def _each(answer: Answer) -> list[Answer]:
    """The logits of each step; with the last, the states after it."""
    *before, last = answer["logits"]
    return [*({"logits": one} for one in before), {**answer, "logits": last}]


def _full(inputs: Tensor, steps: int) -> Tensor:
    return torch.full((inputs.shape[1],), steps)


def _some_lengths(steps: int, rows: int) -> Tensor:
    """Rows of different lengths; one has all steps, one none."""
    return torch.tensor([steps - row * steps // (rows - 1) for row in range(rows)])


def _arrays(values: Answer) -> Arrays:
    return {name: value.numpy() for name, value in values.items()}
