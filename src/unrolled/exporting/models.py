"""What most models are in ONNX: their functions, made of their parts. Knows no operators of cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.engine import State
from unrolled.exporting import recurrent
from unrolled.exporting.fronts import Reading, reading, some_lengths
from unrolled.exporting.function import Function, Trial
from unrolled.exporting.lengths import lengths_of
from unrolled.exporting.modules import one_hot, write_module
from unrolled.exporting.oracle import Answer, Oracle
from unrolled.exporting.pooling import pooled
from unrolled.exporting.recurrent import CAME, GOES, Layers, layers_of
from unrolled.exporting.sheet import Sheet
from unrolled.layers import Pool, Recurrent
from unrolled.models import Classifier, LanguageModel, Tagger
from unrolled.models.sequences import SequenceModel


def language_model(model: LanguageModel) -> list[Function]:
    """Ids to logits, of a whole sequence and of one step."""
    count = model.config.vocab_size

    def front(sheet: Sheet, ids: str) -> str:
        return one_hot(sheet, ids, count) if model.embedding is None else write_module(model.embedding, sheet, ids)

    def say(model: LanguageModel, ids: Tensor, lengths: Tensor) -> list[Answer]:
        return [_answer(*model(ids, lengths=lengths))]

    parts = Parts(Reading("int64", count=count), front, model.rnn, model.read_out)
    whole = sequence_function(parts, Oracle(model, say), with_states=True)
    return [whole, step_function(parts, Oracle(model, _each(say)))]


def tagger(model: Tagger) -> list[Function]:
    """What it reads to logits of each step, of a whole sequence and, reading forwards, of one step."""
    streams = not model.config.bidirectional
    parts, say = _parts(model), _said_with_states if streams else _said
    whole = sequence_function(parts, Oracle(model, say), with_states=streams)
    return [whole, step_function(parts, Oracle(model, _each(say)))] if streams else [whole]


def classifier(model: Classifier) -> list[Function]:
    """What it reads to logits of the whole, and, where the last state says it, of what came until a step."""

    def say_each(model: Classifier, inputs: Tensor, lengths: Tensor) -> list[Answer]:
        ends = range(1, len(inputs) + 1)
        return [one for end in ends for one in _said_with_states(model, inputs[:end], lengths.clamp(max=end))]

    # what it says of the steps until now is what it says at the last one: of a mean, the states do not know enough
    streams = model.pool.pooling == "last" and not model.config.bidirectional
    parts, say = _parts(model), _said_with_states if streams else _said
    whole = sequence_function(parts, Oracle(model, say), model.pool, with_states=streams)
    return [whole, step_function(parts, Oracle(model, say_each))] if streams else [whole]


@dataclass(frozen=True)
class Parts:
    """What most models are made of. `front` writes what it makes of its inputs."""

    reading: Reading
    front: Callable[[Sheet, str], str]
    rnn: Recurrent
    read_out: nn.Linear

    @cached_property
    def layers(self) -> Layers:
        """The recurrent stack."""
        return layers_of(self.rnn)


def sequence_function(parts: Parts, oracle: Oracle[Any], pool: Pool | None = None, *, with_states: bool) -> Function:
    """Inputs `[T, B, ...]` and lengths `[B]` -> logits `[T, B, K]`, or `[B, K]` where a sequence becomes one vector.

    `oracle`: what the model itself says, at one call. `with_states`: the states after each row's last real step go out,
    too.
    """
    sheet, layers = Sheet(), parts.layers
    inputs = parts.reading.input(sheet, "T", "B")
    lengths = lengths_of(sheet, inputs, sheet.input("lengths", "int64", ("B",)))
    hidden, states = recurrent.sequence(sheet, layers, parts.front(sheet, inputs), lengths)
    found = hidden if pool is None else pooled(sheet, pool, hidden, lengths, parts.rnn.output_size)
    before = ("T", "B") if pool is None else ("B",)
    logits = write_module(parts.read_out, sheet, found)
    sheet.output("logits", logits, "float32", (*before, parts.read_out.out_features))
    if with_states:
        recurrent.states_out(sheet, layers, states)

    def trials(steps: int, rows: int) -> list[Trial]:
        long = some_lengths(steps, rows)
        drawn = parts.reading.draw(long)
        return oracle.trials([{"inputs": drawn, "lengths": long}], drawn, long)

    return Function("sequence", sheet, trials, written_as=layers.written_as)


def step_function(parts: Parts, oracle: Oracle[Any]) -> Function:
    """Inputs `[B, ...]` and the states `[L, B, width]` -> logits `[B, K]`, and the states to go on from.

    `oracle`: what the model itself says after each step of a sequence.
    """
    sheet, layers = Sheet(), parts.layers
    inputs = parts.reading.input(sheet, "B")
    states = recurrent.states_in(sheet, layers)
    hidden, after = recurrent.one_step(sheet, layers, parts.front(sheet, inputs), states)
    sheet.output("logits", write_module(parts.read_out, sheet, hidden), "float32", ("B", parts.read_out.out_features))
    recurrent.states_out(sheet, layers, after)

    def trials(steps: int, rows: int) -> list[Trial]:
        long = torch.full((rows,), steps)
        drawn = parts.reading.draw(long)
        begins = {CAME + name: value for name, value in parts.rnn.zero_state(rows).items()}
        given = [{"inputs": one, **({} if place else begins)} for place, one in enumerate(drawn)]
        return oracle.trials(given, drawn, long)

    return Function("step", sheet, trials, recurrent.carried(layers))


def _parts(model: SequenceModel) -> Parts:
    def front(sheet: Sheet, inputs: str) -> str:
        return write_module(model.front, sheet, inputs)

    return Parts(reading(model.front), front, model.rnn, model.read_out)


def _said(model: SequenceModel, inputs: Tensor, lengths: Tensor) -> list[Answer]:
    return [{"logits": model(inputs, lengths)}]


def _said_with_states(model: SequenceModel, inputs: Tensor, lengths: Tensor) -> list[Answer]:
    _, states = model.rnn(model.front(inputs), lengths=lengths)
    return [_answer(model(inputs, lengths), states)]


def _answer(logits: Tensor, states: State) -> Answer:
    return {"logits": logits, **{GOES + name: value for name, value in states.items()}}


def _each(say: Callable[[Any, Tensor, Tensor], list[Answer]]) -> Callable[[Any, Tensor, Tensor], list[Answer]]:
    """The same for one step after the other: the logits of each; with the last, the states after it."""

    def say_each(model: Any, inputs: Tensor, lengths: Tensor) -> list[Answer]:
        (whole,) = say(model, inputs, lengths)
        *before, last = whole["logits"]
        return [*({"logits": one} for one in before), {**whole, "logits": last}]

    return say_each
