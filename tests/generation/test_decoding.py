"""The engine writes what the model itself, step by step, would write."""

import math

import numpy as np
import pytest
import torch

from unrolled import use_engine
from unrolled.engine import library
from unrolled.errors import ConfigError, GenerationError, ShapeError
from unrolled.generation import Strategy, generate, writer
from unrolled.models import LanguageModel, LanguageModelConfig

pytestmark = pytest.mark.skipif(library() is None, reason="the package was installed without the engine")

CELLS = ["lstm", "gru", "gru_v3", "layer_norm_lstm", "min_gru", "sru", "rg_lru", "slstm", "lstm(projection=5)",
         "lstm(zoneout=0.2, dropout=0.3)"]  # fmt: skip
STRATEGIES = {
    "as it is": Strategy(),
    "cold": Strategy(0.3),
    "likeliest": Strategy(0.0),
    "top-k": Strategy(1.3, top_k=4),
    "top-p": Strategy(1.5, top_p=0.7),
    "both": Strategy(2.0, top_k=6, top_p=0.8),
    "all of them": Strategy(top_k=10**6, top_p=1.0),
}


def _model(cell="lstm", *, hidden=19, embedding=7, layers=2, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    config = LanguageModelConfig(vocab_size=13, embedding_size=embedding, hidden_size=hidden, num_layers=layers)
    model = LanguageModel(config, cell).to(dtype)
    with torch.no_grad():
        model.read_out.weight.mul_(6)  # so that some symbols are likelier than others
    return model


def _start(model, batch, seed=3):
    torch.manual_seed(seed)
    logits = torch.randn(batch, 13, dtype=model.read_out.weight.dtype)
    state = {name: torch.randn_like(value) for name, value in model.rnn.zero_state(batch).items()}
    return logits, state


@torch.no_grad()
def _both(model, strategy, batch=3, steps=50):
    numbers = torch.rand((steps, batch), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    logits, state = _start(model, batch)
    with use_engine("native"):
        ours = writer(model, strategy)(logits, state, numbers)
    with use_engine("reference"):
        want = writer(model, strategy)(logits, state, numbers)
    return ours, want


def _assert_same(ours, want):
    assert ours[0].tolist() == want[0].tolist()
    torch.testing.assert_close(ours[1], want[1])
    torch.testing.assert_close(ours[2], want[2])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embedding", [0, 7])
def test_every_cell(cell, embedding):
    _assert_same(*_both(_model(cell, embedding=embedding), Strategy()))


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy(name):
    ours, want = _both(_model(), STRATEGIES[name], batch=5, steps=200)
    _assert_same(ours, want)
    if name != "likeliest":
        assert len(set(ours[0].flatten().tolist())) > 2, "more than one symbol was drawn"


def test_of_equal_symbols_the_first_ones_are_kept():
    model = _model()
    with torch.no_grad():
        model.read_out.weight.zero_()
        model.read_out.bias.zero_()
    for strategy in (Strategy(top_k=3), Strategy(top_p=0.2), Strategy(0.0)):
        ours, want = _both(model, strategy)
        _assert_same(ours, want)
        assert ours[0][1:].max() <= 2


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2, 9])
def test_threads_and_pieces_change_no_bit(threads, batch):
    model = _model(hidden=70, dtype=torch.float32)
    numbers = torch.rand((40, batch), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = writer(model, Strategy())(*_start(model, batch), numbers)
        torch.set_num_threads(threads)
        write = writer(model, Strategy())
        first, *carried = write(*_start(model, batch), numbers[:17])
        rest, logits, state = write(*carried, numbers[17:])
    finally:
        torch.set_num_threads(before)
    assert torch.cat([first, rest]).equal(whole[0])
    assert logits.equal(whole[1])
    assert all(state[name].equal(whole[2][name]) for name in state)


def test_the_weights_are_those_of_the_beginning():
    model = _model()
    written = list(generate(model, np.array([1]), 200, Strategy(), torch.Generator().manual_seed(4)))
    again = generate(model, np.array([1]), 200, Strategy(), torch.Generator().manual_seed(4))
    ids = [next(again)]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert ids + list(again) == written


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_none(value):
    model = _model()
    with torch.no_grad():
        model.read_out.bias[3] = value
    for engine in ("native", "reference"):
        with use_engine(engine), pytest.raises(GenerationError, match="not finite"):
            list(generate(model, np.array([1]), 10, Strategy(), torch.Generator()))
    ids, _, _ = writer(model, Strategy())(*_start(model, 2), torch.rand(4, 2, dtype=torch.float64))
    assert ids[0].min() >= 0, "the logits that were given are finite"
    assert ids[1].tolist() == [-1, -1]


@pytest.mark.parametrize("engine", ["native", "reference"])
@torch.no_grad()
def test_one_row_that_is_none_ends_all(engine):
    model = _model()
    logits, state = _start(model, 3)
    logits[1] = math.nan
    with use_engine(engine):
        ids, _, _ = writer(model, Strategy())(logits, state, torch.rand(4, 3, dtype=torch.float64))
    assert ids.tolist() == [[-1] * 3] * 4


@torch.no_grad()
def test_a_weight_that_is_none_shows_in_int8():
    """Wherever in its column it stands."""
    for place in (0, 5, 18):
        model = _model(dtype=torch.float32)
        model.read_out.weight[3, place] = math.nan
        ids, logits, _ = writer(model, Strategy(), "int8")(*_start(model, 2), torch.rand(4, 2, dtype=torch.float64))
        assert logits[:, 3].isnan().all()
        assert ids[1].tolist() == [-1, -1]


@torch.no_grad()
def test_what_does_not_fit_is_refused():
    model = _model()
    write = writer(model, Strategy())
    logits, state = _start(model, 3)
    numbers = torch.rand(4, 3, dtype=torch.float64)
    narrow = {name: value[:, :2] for name, value in state.items()}
    for wrong in (
        (logits, state, numbers.float()),
        (logits, state, numbers[:, :2]),
        (logits[:2], state, numbers),
        (logits.float(), state, numbers),
        (logits, narrow, numbers),
        (logits, {"h": state["h"]}, numbers),
        (logits, {name: value[:1] for name, value in state.items()}, numbers),
    ):
        with pytest.raises(ShapeError):
            write(*wrong)
    turned = logits.T.contiguous().T
    assert write(turned, state, numbers)[0].equal(write(logits, state, numbers)[0])


@pytest.mark.parametrize(("precision", "most"), [("bf16", 0.02), ("int8", 0.02)])
@torch.no_grad()
def test_narrow_matrices_change_logits_by_little(precision, most):
    model = _model(hidden=70, embedding=33, dtype=torch.float32)
    numbers = torch.rand((1, 6), dtype=torch.float64)
    _, want, _ = writer(model, Strategy(0.0))(*_start(model, 6), numbers)
    _, ours, _ = writer(model, Strategy(0.0), precision)(*_start(model, 6), numbers)
    error = (ours - want).norm() / want.norm()
    assert 0 < error < most


def test_what_int8_rounds_to():
    """One layer that passes its input on: 255 even steps up to the largest magnitude of each column."""
    model = _model("rnn(activation='identity')", hidden=13, embedding=0, layers=1, dtype=torch.float32)
    weights = torch.linspace(-1, 1, 13 * 13).view(13, 13)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.rnn.layer0.weight_h_x.copy_(torch.eye(13))
        model.read_out.weight.copy_(weights)
    logits = torch.eye(13)
    _, ours, _ = writer(model, Strategy(0.0), "int8")(logits, model.rnn.zero_state(13), torch.zeros(1, 13).double())
    steps = weights.abs().amax(dim=1, keepdim=True) / 127
    torch.testing.assert_close(ours, ((weights / steps).round() * steps).T)


def test_a_precision_that_cannot_be_had():
    with pytest.raises(ConfigError, match="precision 'int8' needs the native engine and weights of float32"):
        writer(_model(), Strategy(), "int8")
    with use_engine("reference"), pytest.raises(ConfigError, match="needs the native engine"):
        writer(_model(dtype=torch.float32), Strategy(), "bf16")


def test_a_top_k_of_any_size():
    wide = Strategy(top_k=2**32 + 1)
    _assert_same(*_both(_model(), wide))
    with pytest.raises(ConfigError, match="whole number"):
        Strategy(top_k=2.5)


def test_a_precision_that_is_none():
    with pytest.raises(ConfigError, match="no precision 'x'"):
        writer(_model(dtype=torch.float32), Strategy(), "x")
