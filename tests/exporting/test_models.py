"""Whole models in ONNX: every task, front and pooling, at two lengths and two sizes of batches, in onnxruntime."""

from __future__ import annotations

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from unrolled import ExportError, LanguageModel, LanguageModelConfig, cell
from unrolled.exporting import exported
from unrolled.exporting.kinds import functions_of
from unrolled.models import (
    Classifier,
    ClassifierConfig,
    FrontConfig,
    SequenceConfig,
    Tagger,
    Translator,
    TranslatorConfig,
    WriterConfig,
)
from unrolled.ops import affine, concat, cos, linear, maximum, norm, softplus, split, tanh, where

SIZES = [(3, 4), (8, 1)]  # steps and rows
WORDS = FrontConfig(vocab_size=11, embedding_size=5)
CHANNELS = FrontConfig(mean=(10.0, -3.0), deviation=(4.0, 0.5))
FRAMES = FrontConfig(frame=(2, 9, 12), embedding_size=5, mean=(90.0, 100.0), deviation=(40.0, 50.0))


@cell(widths={"m": 3})
def own(x, h, m):
    """A user's, with words that no cell of the shelf has together."""
    a, b = split(norm(affine(x, h, to=2)), 2)
    m = maximum(0.5 * m + linear(h, to=m), -1.0)
    g = where(a > 0, tanh(b), cos(b) ** 2)
    h = 0.5 * h + g * tanh(linear(concat(a, m))) / (1 + softplus(b))
    return concat(h, m), h, m


CELLS = ["rnn", "lstm", "gru", "gru_v3", own]


def _lively(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    return model.eval()


def _inputs(front, steps, rows):
    if front.vocab_size:
        return torch.randint(front.vocab_size, (steps, rows))
    size = front.frame or (2,)
    wide = (-1, 1, 1) if front.frame else (-1,)
    mean, deviation = (torch.tensor(one).view(wide) for one in (front.mean, front.deviation))
    return mean + deviation * torch.randn(steps, rows, *size)


def _lengths(steps, rows):
    return torch.tensor([steps, 1, 2, 0][:rows])


def _sessions(model):
    made = exported(model, {})
    for one in made.values():
        onnx.checker.check_model(onnx.load_model_from_string(one.content), full_check=True)
    return {
        name: onnxruntime.InferenceSession(one.content, providers=["CPUExecutionProvider"])
        for name, one in made.items()
    }


def _said(session, **given):
    names = [one.name for one in session.get_outputs()]
    values = session.run(names, {name: value.numpy() for name, value in given.items()})
    return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}


def _close(got, want):
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5 * max(0.1, want.abs().max().item()))


def _streamed(session, model, inputs):
    """The logits of each step, `[T, B, K]`, with the states in our hands."""
    states = {f"state_{name}": value for name, value in model.rnn.zero_state(inputs.shape[1]).items()}
    logits = []
    for one in inputs:
        said = _said(session, inputs=one, **states)
        logits.append(said.pop("logits"))
        states = {name.replace("next_", "state_"): value for name, value in said.items()}
    return torch.stack(logits), {name.removeprefix("state_"): value for name, value in states.items()}


@pytest.mark.parametrize("made", CELLS, ids=str)
@pytest.mark.parametrize("embedding_size", [0, 5])
@torch.no_grad()
def test_text(made, embedding_size):
    sizes = LanguageModelConfig(vocab_size=11, embedding_size=embedding_size, hidden_size=7, num_layers=2)
    model = _lively(LanguageModel(sizes, made))
    sessions = _sessions(model)
    for steps, rows in SIZES:
        ids, lengths = torch.randint(11, (steps, rows)), _lengths(steps, rows)
        logits, states = model(ids)
        _close(_said(sessions["sequence"], inputs=ids, lengths=torch.full((rows,), steps))["logits"], logits)
        streamed, carried = _streamed(sessions["step"], model, ids)
        _close(streamed, logits)
        said = _said(sessions["sequence"], inputs=ids, lengths=lengths)
        for name, value in states.items():
            _close(carried[name], value)
            for row, length in enumerate(lengths.tolist()):
                alone = model(ids[:length, row : row + 1])[1][name] if length else torch.zeros_like(value[:, :1])
                _close(said[f"next_{name}"][:, row : row + 1], alone)


@pytest.mark.parametrize("made", CELLS, ids=str)
@pytest.mark.parametrize(("front", "bidirectional"), [(WORDS, False), (CHANNELS, False), (CHANNELS, True)])
@torch.no_grad()
def test_tag(made, front, bidirectional):
    _check_tagger(front, made, bidirectional)


@pytest.mark.parametrize("blocks", ["plain", "residual"])
@torch.no_grad()
def test_frames(blocks):
    _check_tagger(FRAMES.model_copy(update={"blocks": blocks}), "gru", False)


def _check_tagger(front, made, bidirectional):
    sizes = SequenceConfig(front=front, classes=3, hidden_size=7, num_layers=2, bidirectional=bidirectional)
    model = Tagger(sizes, made).eval() if front.frame else _lively(Tagger(sizes, made))
    for part in model.front.parameters():
        if front.frame and part.dim() == 1:  # (the gains of residual blocks are zero at first)
            torch.nn.init.normal_(part, 1.0, 0.3)
    sessions = _sessions(model)
    assert set(sessions) == ({"sequence"} if bidirectional else {"sequence", "step"})
    for steps, rows in SIZES:
        inputs, lengths = _inputs(front, steps, rows), _lengths(steps, rows)
        said = _said(sessions["sequence"], inputs=inputs, lengths=lengths)
        _close(said["logits"], model(inputs, lengths))
        if bidirectional:
            assert set(said) == {"logits"}
        else:
            _close(_streamed(sessions["step"], model, inputs)[0], model(inputs, torch.full((rows,), steps)))


@pytest.mark.parametrize(
    ("made", "pooling"),
    [
        *((made, "last") for made in CELLS),
        *((made, one) for made in ("gru", own) for one in ("mean", "max", "attention")),
    ],
    ids=str,
)
@torch.no_grad()
def test_classify(made, pooling):
    for front, bidirectional in ((WORDS, True), (CHANNELS, False)):
        sizes = ClassifierConfig(
            front=front, classes=3, hidden_size=7, num_layers=2, bidirectional=bidirectional, pooling=pooling
        )
        model = _lively(Classifier(sizes, made))
        sessions = _sessions(model)
        assert ("step" in sessions) == (pooling == "last" and not bidirectional)
        for steps, rows in SIZES:
            inputs, lengths = _inputs(front, steps, rows), _lengths(steps, rows)
            _close(_said(sessions["sequence"], inputs=inputs, lengths=lengths)["logits"], model(inputs, lengths))
            if "step" in sessions:
                streamed, carried = _streamed(sessions["step"], model, inputs)
                for end in range(1, steps + 1):
                    _close(streamed[end - 1], model(inputs[:end], torch.full((rows,), end)))
                said = _said(sessions["sequence"], inputs=inputs, lengths=torch.full((rows,), steps))
                for name, value in model.rnn(model.front(inputs))[1].items():
                    _close(carried[name], value)
                    _close(said[f"next_{name}"], value)


@pytest.mark.parametrize("made", ["gru", "lstm", own], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"context": "state", "bidirectional": False},
        {"context": "fixed", "tied": True},
        {"attention": "dot", "bidirectional": False, "reverse_source": True},
        {"attention": "general"},
        {"attention": "additive", "reverse_source": True, "tied": True},
    ],
    ids=str,
)
@torch.no_grad()
def test_translate(made, options):
    whole = {name: options[name] for name in ("bidirectional", "reverse_source") if name in options}
    of_writer = {name: value for name, value in options.items() if name not in whole}
    sizes = WriterConfig(vocab_size=8, embedding_size=5, hidden_size=6, num_layers=2, **of_writer)
    model = _lively(Translator(TranslatorConfig(front=WORDS, writer=sizes, **whole), made))
    sessions = _sessions(model)
    for steps, rows in SIZES:
        source, lengths = torch.randint(11, (steps, rows)), _lengths(steps, rows)
        given = torch.randint(9, (6, rows))
        wanted, weights = model(source, lengths, given)
        read = _said(sessions["sequence"], inputs=source, lengths=lengths)
        always = {"fixed": read["fixed"]} if "fixed" in read else {}
        if "places" in read:
            behind = torch.arange(steps)[:, None] >= lengths
            always |= {"places": read["places"].masked_fill(behind[..., None], torch.nan), "lengths": lengths}
        states = {name.replace("next_", "state_"): one for name, one in read.items() if name.startswith("next_")}
        for u, one in enumerate(given):
            said = _said(sessions["step"], inputs=one, **states, **always)
            _close(said.pop("logits"), wanted[u])
            if weights is not None:
                _close(said.pop("weights"), weights[u])
            states = {name.replace("next_", "state_"): value for name, value in said.items()}


@pytest.mark.parametrize("front", [WORDS, CHANNELS, FRAMES], ids=["words", "channels", "frames"])
@torch.no_grad()
def test_a_model_in_float64_becomes_float32(front):
    model = Tagger(SequenceConfig(front=front, classes=3, hidden_size=7, num_layers=2), "gru").double().eval()
    sessions = _sessions(model)
    assert next(model.parameters()).dtype == torch.float64, "it is what it was"
    inputs, lengths = _inputs(front, 3, 4), _lengths(3, 4)
    wide = inputs if front.vocab_size else inputs.double()
    _close(_said(sessions["sequence"], inputs=inputs, lengths=lengths)["logits"].double(), model(wide, lengths))


def test_what_comes_in_is_said():
    model = LanguageModel(LanguageModelConfig(vocab_size=11, hidden_size=7, num_layers=2), "lstm")
    step = exported(model, {"a": "b"})["step"]
    session = onnxruntime.InferenceSession(step.content, providers=["CPUExecutionProvider"])
    assert {one.name: one.shape for one in session.get_inputs()} == {
        "inputs": ["B"], "state_h": [2, "B", 7], "state_c": [2, "B", 7]
    }  # fmt: skip
    assert session.get_modelmeta().custom_metadata_map == {"a": "b", "function": "step"}
    assert {port.name: port.shape for port in step.outputs}["next_c"] == (2, "B", 7)


def test_a_model_that_nobody_knows():
    with pytest.raises(ExportError, match="a Linear cannot be written as ONNX yet, only one of Classifier, "):
        functions_of(nn.Linear(2, 2))
    model = Tagger(SequenceConfig(front=CHANNELS, classes=3, hidden_size=7), "gru")
    model.read_out = nn.Tanh()
    with pytest.raises(ExportError, match="a model with a Tanh cannot be exported"):
        functions_of(model)
    model.front = nn.Tanh()
    with pytest.raises(ExportError, match="a model that reads through a Tanh cannot be exported"):
        functions_of(model)


def test_it_leaves_the_model_as_it_was():
    model = LanguageModel(LanguageModelConfig(vocab_size=11, hidden_size=7, dropout=0.5), "lstm(dropout=0.3)").train()
    state = torch.get_rng_state()
    exported(model, {})
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
