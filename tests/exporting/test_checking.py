"""No file that is not the model: faults that are planted are found, and told."""

from __future__ import annotations

import sys

import pytest
import torch

from unrolled import ExportError, LanguageModel, LanguageModelConfig, cell
from unrolled.exporting import checking, exported, file, is_onnx, loop, native, operations
from unrolled.ops import affine, sin, tanh


def _model(cell="sru", **options):
    model = LanguageModel(LanguageModelConfig(**{"vocab_size": 11, "hidden_size": 7, **options}), cell)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    return model


def test_another_operator_is_found(monkeypatch):
    monkeypatch.setitem(operations.OPERATORS, "sigmoid", "Tanh")
    with pytest.raises(
        ExportError, match=r"its \w+ of \d steps, \d rows differ by .* more than 1e-05. Nothing was kept"
    ):
        exported(_model(), {})


def test_gates_in_another_order_are_found(monkeypatch):
    wrong = tuple(kind._replace(order=kind.order[::-1]) for kind in native._KINDS)
    monkeypatch.setattr(native, "_KINDS", wrong)
    native._patterns.cache_clear()
    try:
        with pytest.raises(ExportError, match="differ by"):
            exported(_model("gru"), {})
    finally:
        native._patterns.cache_clear()


def test_padding_that_changes_something_is_found(monkeypatch):
    honest = loop.Sheet.call

    def careless(self, operator, *inputs, **options):
        """The states go on behind a row's end."""
        if operator == "Where" and inputs[0].endswith("is_real"):
            return inputs[1]
        return honest(self, operator, *inputs, **options)

    monkeypatch.setattr(loop.Sheet, "call", careless)
    with pytest.raises(ExportError, match="next_c of . steps, . rows differ"):
        exported(_model(), {})


def test_a_small_difference_is_one(monkeypatch):
    honest = native._piece
    monkeypatch.setattr(native, "_piece", lambda equation, rows: honest(equation, rows) * 1.0005)
    with pytest.raises(ExportError, match="differ by"):
        exported(_model("gru"), {})


@cell
def rounds(x, h):
    """A cell that rounds its state to 14 bits behind the point, more or less."""
    h = tanh(affine(x, h))
    h = (h + 500.0) - 500.0
    return h


def test_a_model_that_rounds_may_round_otherwise(monkeypatch):
    steps = exported(_model(rounds, hidden_size=60), {})["sequence"]
    assert checking.LIMIT < steps.checked.difference < 10 * steps.checked.rounding
    monkeypatch.setattr(checking, "_ROUNDED", 0)
    with pytest.raises(ExportError, match="differ by"):
        exported(_model(rounds, hidden_size=60), {})


@cell
def rounds_to_halves(x, h):
    """A cell that rounds its state so much that float32 says nothing of what it is."""
    h = tanh(affine(x, h))
    h = (h + 6e6) - 6e6
    return h


def test_rounding_is_no_excuse(monkeypatch):
    assert exported(_model(rounds_to_halves), {})["step"].checked.difference < checking.LIMIT, "it rounds as the model"
    monkeypatch.setitem(operations.OPERATORS, "tanh", "Sin")
    for seed in range(3):
        torch.manual_seed(seed)
        with pytest.raises(
            ExportError, match=r"cannot be held against a file: its \w+ .* are \S+ of their scale away from what they"
        ):
            exported(_model(rounds_to_halves), {})


@cell
def trembles(x, h):
    """A difference grows at every step."""
    h = sin(3.5 * affine(x, h))
    return h


def test_a_right_file_is_never_called_a_mistake():
    kept = 0
    for seed in range(6):
        torch.manual_seed(seed)
        try:
            kept += bool(exported(_model(trembles), {}))
        except ExportError as error:
            assert "the model cannot be held against a file" in str(error)
    assert 0 < kept < 6


def test_weights_that_are_no_numbers():
    model = _model()
    model.read_out.bias.data[3] = torch.nan
    with pytest.raises(ExportError, match="the model gives no finite numbers for logits of 4 steps, 2 rows"):
        exported(model, {})


def test_a_file_that_would_be_too_large(monkeypatch):
    monkeypatch.setattr(file, "_MOST", 1000)
    with pytest.raises(ExportError, match=r"its weights have [\d,]+ bytes: an ONNX file holds 1,000 at most"):
        exported(_model(), {})


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_a_library_that_is_missing(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ExportError, match=rf"needs the library '{library}'.*pip install 'unrolled\[onnx\]'"):
        exported(_model(), {})


def test_what_is_onnx():
    content = exported(_model(), {})["step"].content
    assert is_onnx(content)
    for other in (b"", b"\n", content[:-10], content[5:], b"a text\n" * 9, b"\x08\x08", bytes(100)):
        assert not is_onnx(other)
