"""A translator in ONNX: what the encoder reads of a whole source, and one step of the writer. Knows no words.

The files go together: what comes out of the first goes into the second, at every step or (a state) at the first one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.exporting import recurrent
from unrolled.exporting.attention import attended
from unrolled.exporting.fronts import Reading, reading, some_lengths
from unrolled.exporting.function import Function, Trial
from unrolled.exporting.lengths import Lengths, lengths_of, steps_of
from unrolled.exporting.loop import States
from unrolled.exporting.modules import write_module
from unrolled.exporting.operations import product
from unrolled.exporting.oracle import Answer, Oracle
from unrolled.exporting.pooling import pooled
from unrolled.exporting.recurrent import CAME, GOES, Layers, layers_of
from unrolled.exporting.sheet import Sheet
from unrolled.models import Translator
from unrolled.models.memory import Memory
from unrolled.models.writer import Writer

PLACES, FIXED = "places", "fixed"


def translator(model: Translator) -> list[Function]:
    """What is read of a source, and one step of what is written about it."""
    return [_reader(model), _writer(model)]


def _reader(model: Translator) -> Function:
    """Inputs `[T, B]` and lengths `[B]` -> the writer's states before its first symbol, and what it writes about."""
    sheet, encoder, config = Sheet(), layers_of(model.encoder), model.config
    inputs = reading(model.front).input(sheet, "T", "B")
    lengths = lengths_of(sheet, inputs, sheet.input("lengths", "int64", ("B",)))
    vectors = write_module(model.front, sheet, inputs)
    vectors = _backwards(sheet, vectors, lengths) if config.reverse_source else vectors
    places, states = recurrent.sequence(sheet, encoder, vectors, lengths)
    width = model.encoder.output_size
    if config.writer.context != "state":
        summary = pooled(sheet, model.pool, places, lengths, width)
        states = _begin(sheet, model.writer, summary, lengths.rows)
    if config.writer.context == "attention":
        places = _backwards(sheet, places, lengths) if config.reverse_source else places
        sheet.output(PLACES, places, "float32", ("T", "B", width))
    recurrent.states_out(sheet, _all_layers(model.writer), states)

    oracle = Oracle(model, _read)

    def trials(steps: int, rows: int) -> list[Trial]:
        long = some_lengths(steps, rows)
        drawn = reading(model.front).draw(long)
        return oracle.trials([{"inputs": drawn, "lengths": long}], drawn, long)

    return Function("sequence", sheet, trials, written_as=encoder.written_as)


def _begin(sheet: Sheet, writer: Writer, summary: str, rows: str) -> States:
    """The writer's states `[L, B, width]` before the first symbol."""
    known, layers = summary, writer.config.num_layers
    if writer.config.context == "fixed":
        known = sheet.call("Tanh", write_module(writer.summary, sheet, summary))
        sheet.output(FIXED, known, "float32", ("B", writer.summary.out_features))
    states = {name: _zeros(sheet, layers, rows, width) for name, width in _widths(writer).items()}
    if writer.begin_with is not None:
        made = sheet.call(
            "Reshape", sheet.call("Tanh", write_module(writer.begin_with, sheet, known)), sheet.whole(0, layers, -1)
        )
        states[writer.begins] = sheet.call("Transpose", made, perm=[1, 0, 2])
    return states


def _widths(writer: Writer) -> dict[str, int]:
    return {name: value.shape[2] for name, value in writer.zero_state(1).items()}


def _zeros(sheet: Sheet, layers: int, rows: str, width: int) -> str:
    """States of zero, `[L, B, width]`, where `rows` is a vector of one number, B."""
    return sheet.call("ConstantOfShape", sheet.call("Concat", sheet.whole(layers), rows, sheet.whole(width), axis=0))


def _writer(model: Translator) -> Function:
    """Inputs `[B]`, states and what is written about -> logits `[B, V + 1]`, states, and weights `[B, T]`, if any."""
    sheet, writer = Sheet(), model.writer
    layers, context = _all_layers(writer), writer.config.context
    vectors = write_module(writer.embedding, sheet, sheet.input("inputs", "int64", ("B",)))
    states = recurrent.states_in(sheet, layers)
    fixed = sheet.input(FIXED, "float32", ("B", writer.summary.out_features)) if context == "fixed" else ""
    vectors = sheet.call("Concat", vectors, fixed, axis=-1) if fixed else vectors
    hidden, after = recurrent.one_step(sheet, layers_of(writer.rnn), vectors, states)
    beside = fixed
    if context == "attention":
        places = sheet.input(PLACES, "float32", ("T", "B", model.encoder.output_size))
        lengths = lengths_of(sheet, places, sheet.input("lengths", "int64", ("B",)))
        beside, weights = attended(sheet, writer.attention, hidden, places, lengths)
        sheet.output("weights", weights, "float32", ("B", "T"))
    if writer.upper is not None:
        below = writer.rnn.num_layers
        above = sheet.call("Concat", hidden, beside, axis=-1)
        hidden, last = recurrent.one_step(sheet, layers_of(writer.upper, below), above, states, below)
        after = {name: sheet.call("Concat", value, last[name], axis=0) for name, value in after.items()}
    hidden = sheet.call("Concat", hidden, beside, axis=-1) if beside else hidden
    composed = sheet.call("Tanh", write_module(writer.combine, sheet, hidden))
    sheet.output("logits", _logits(sheet, writer, composed), "float32", ("B", writer.boundary + 1))
    recurrent.states_out(sheet, layers, after)

    oracle = Oracle(model, _write)

    def trials(steps: int, rows: int) -> list[Trial]:
        return _writer_trials(oracle, some_lengths(steps, rows))

    return Function("step", sheet, trials, recurrent.carried(layers))


def _all_layers(writer: Writer) -> Layers:
    """Those before the attention, and those behind it."""
    below = layers_of(writer.rnn)
    if writer.upper is None:
        return below
    above = layers_of(writer.upper, writer.rnn.num_layers)
    return Layers(below.equations + above.equations, below.natives + above.natives)


def _logits(sheet: Sheet, writer: Writer, composed: str) -> str:
    if writer.read_out is not None:
        return write_module(writer.read_out, sheet, composed)
    return product(sheet, composed, sheet.constant(writer.embedding.weight.T), sheet.constant(writer.bias))


def _read(model: Translator, inputs: Tensor, lengths: Tensor) -> list[Answer]:
    """What the model itself makes of a source."""
    return [_of_memory(model, model.read(inputs, lengths))]


def _of_memory(model: Translator, memory: Memory) -> Answer:
    writer, context = model.writer, model.config.writer.context
    beside = {PLACES: memory.places} if context == "attention" else {}
    if context == "fixed":
        beside = {FIXED: torch.tanh(writer.summary(memory.summary))}
    return {**{GOES + name: value for name, value in writer.begin(memory).items()}, **beside}


def _write(model: Translator, ids: Tensor, lengths: Tensor) -> list[Answer]:
    """What the model itself says after each of some symbols `[U, B]`, about a source of these lengths."""
    memory = _memory(model, lengths)
    logits, states, weights = model.writer(ids, memory, model.writer.begin(memory))
    each = [
        {"logits": one} if weights is None else {"logits": one, "weights": weights[u]} for u, one in enumerate(logits)
    ]
    return [*each[:-1], {**each[-1], **{GOES + name: value for name, value in states.items()}}]


def _memory(model: Translator, lengths: Tensor) -> Memory:
    """What a model makes of a source of these lengths: always the same one."""
    return model.read(reading(model.front).draw(lengths), lengths)


@torch.no_grad()
def _writer_trials(oracle: Oracle[Translator], long: Tensor) -> list[Trial]:
    """Symbols `[U, B]` one after the other, about a source of these lengths."""
    model = oracle.model
    ids = Reading("int64", count=model.writer.boundary + 1).draw(long)
    known = _of_memory(model, _memory(model, long))
    begins = {CAME + name.removeprefix(GOES): value for name, value in known.items() if name.startswith(GOES)}
    always = {name: value for name, value in known.items() if name in (PLACES, FIXED)}
    always |= {"lengths": long} if PLACES in always else {}
    given = [{"inputs": one, **always, **({} if place else begins)} for place, one in enumerate(ids)]
    return oracle.trials(given, ids, long)


def _backwards(sheet: Sheet, sequence: str, lengths: Lengths) -> str:
    """Each row of a sequence `[T, B, width]` backwards, up to its end; the padding stays behind it."""
    time = steps_of(sheet, sequence)
    mirrored = sheet.call("Sub", sheet.call("Sub", lengths.given, sheet.whole(1)), time)
    places = sheet.call("Where", sheet.call("Less", time, lengths.given), mirrored, time)
    wide = sheet.call("Expand", sheet.call("Unsqueeze", places, sheet.whole(2)), sheet.call("Shape", sequence))
    return sheet.call("GatherElements", sequence, wide, axis=0)
