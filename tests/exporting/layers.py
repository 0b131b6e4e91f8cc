"""A recurrent stack alone in ONNX, for tests: from one sheet to arrays."""

from __future__ import annotations

import copy

import onnxruntime
import torch

from unrolled import Recurrent
from unrolled.exporting import recurrent
from unrolled.exporting.file import file_of
from unrolled.exporting.lengths import lengths_of
from unrolled.exporting.sheet import Sheet


def session_of(sheet: Sheet) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(file_of(sheet, "test", {}), options, providers=["CPUExecutionProvider"])


def run(sheet: Sheet, **given: torch.Tensor) -> dict[str, torch.Tensor]:
    """The outputs of a sheet, by their names."""
    session = session_of(sheet)
    names = [one.name for one in sheet.outputs]
    said = session.run(names, {name: value.numpy() for name, value in given.items()})
    return {name: torch.from_numpy(one) for name, one in zip(names, said, strict=True)}


def whole_of(rnn: Recurrent) -> Sheet:
    """x `[T, B, D]` and lengths to the output and the states."""
    sheet, layers = Sheet(), recurrent.layers_of(rnn)
    x = sheet.input("x", "float32", ("T", "B", rnn.input_size))
    lengths = lengths_of(sheet, x, sheet.input("lengths", "int64", ("B",)))
    output, states = recurrent.sequence(sheet, layers, x, lengths)
    sheet.output("output", output, "float32", ("T", "B", rnn.output_size))
    recurrent.states_out(sheet, layers, states)
    return sheet


def step_of(rnn: Recurrent) -> Sheet:
    """x `[B, D]` and states to the output and the states."""
    sheet, layers = Sheet(), recurrent.layers_of(rnn)
    x = sheet.input("x", "float32", ("B", rnn.input_size))
    output, states = recurrent.one_step(sheet, layers, x, recurrent.states_in(sheet, layers))
    sheet.output("output", output, "float32", ("B", rnn.output_size))
    recurrent.states_out(sheet, layers, states)
    return sheet


def check(rnn: Recurrent, lengths: list[int], state: dict[str, torch.Tensor] | None = None) -> None:
    """Both equal the layer: the whole with NaN behind its rows, and a step from any state.

    To 1e-5 of the scale; more where the layer itself is not what it is in float64, as a norm of what is all the same.
    """
    given = torch.tensor(lengths)
    x = torch.randn(max(lengths), len(lengths), rnn.input_size)
    padded = torch.where(torch.arange(len(x))[:, None, None] < given[:, None], x, torch.nan)
    exact = copy.deepcopy(rnn.eval()).double()
    with torch.no_grad():
        whole = rnn(padded, lengths=given), exact(padded.double(), lengths=given)
        _same(run(whole_of(rnn), x=padded, lengths=given), *map(_named, whole))
        if state is not None:
            before = {f"{recurrent.CAME}{name}": value for name, value in state.items()}
            step = rnn.step(x[0], state), exact.step(x[0].double(), {name: one.double() for name, one in state.items()})
            _same(run(step_of(rnn), x=x[0], **before), *map(_named, step))


def _named(answer):
    output, states = answer
    return {"output": output, **{f"{recurrent.GOES}{name}": value for name, value in states.items()}}


def _same(said, layer, exact):
    assert said.keys() == layer.keys()
    for name, want in exact.items():
        assert want.isfinite().all()
        scale = max(0.1, want.abs().max().item())
        rounded = (layer[name] - want).abs().max().item()
        told = lambda message, n=name: f"{n}: {message}"
        torch.testing.assert_close(said[name].double(), want, rtol=0, atol=1e-5 * scale + 2 * rounded, msg=told)
