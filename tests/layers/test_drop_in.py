"""unrolled.RNN, LSTM and GRU are torch.nn's, seen from outside: outputs, states, every gradient, errors."""

from __future__ import annotations

import copy
import itertools
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import unrolled

T, B, D, H = 6, 3, 5, 7
KINDS = {
    "rnn": ("RNN", {}),
    "rnn-relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "lstm-proj": ("LSTM", {"proj_size": 3}),
    "gru": ("GRU", {}),
}
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.fixture(autouse=True)
def _quiet_torch():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LSTM with projections")  # torch's, on its choice of a kernel
        yield


def twins(kind: str, dtype: torch.dtype = torch.float64, **arguments):
    """Our layer and torch's, with the same weights."""
    name, more = KINDS[kind]
    ours = getattr(unrolled, name)(D, H, dtype=dtype, **more, **arguments)
    theirs = getattr(nn, name)(D, H, dtype=dtype, **more, **arguments)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.4)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def random_hx(layer, batch: int | None):
    """States that are not zero, of torch's shape; unbatched where batch is None."""
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    rows = () if batch is None else (batch,)
    h = torch.randn(count, *rows, layer.proj_size or H, dtype=next(layer.parameters()).dtype)
    return (h, torch.randn(count, *rows, H, dtype=h.dtype)) if layer.mode == "LSTM" else h


def _flat(values):
    """All tensors in a result, in order."""
    if isinstance(values, PackedSequence):
        return [values.data]
    if isinstance(values, torch.Tensor):
        return [values]
    return [one for value in values for one in _flat(value)]


def compare(ours, theirs, x, hx, tolerance: float) -> None:
    """The same outputs and states, and the same gradient of everything, for a random direction."""
    answers = []
    for layer in (ours, theirs):
        layer.zero_grad()
        leaves = [value.detach().clone().requires_grad_() for value in _flat((x, hx) if hx is not None else (x,))]
        rest = iter(leaves[1:])
        given = x._replace(data=leaves[0]) if isinstance(x, PackedSequence) else leaves[0]
        state = None if hx is None else next(rest) if isinstance(hx, torch.Tensor) else tuple(rest)
        results = _flat(layer(given, state))
        torch.manual_seed(1)
        sum((torch.randn_like(one) * one).sum() for one in results).backward()
        gradients = [leaf.grad for leaf in leaves] + [parameter.grad for parameter in layer.parameters()]
        answers.append([*results, *gradients])
    assert len(answers[0]) == len(answers[1])
    for one, other in zip(*answers, strict=True):
        assert one.shape == other.shape
        error = (one - other).abs().max() / other.abs().max()
        assert error <= tolerance


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["f64", "f32"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "bare"])
def test_equals_torch(kind, dtype, num_layers, bidirectional, bias):
    for batch_first in (False, True):
        ours, theirs = twins(
            kind, dtype, num_layers=num_layers, bidirectional=bidirectional, bias=bias, batch_first=batch_first
        )
        whole = torch.randn(T, B, D, dtype=dtype)
        x = whole.transpose(0, 1).contiguous() if batch_first else whole
        lengths = torch.tensor([4, 6, 1])
        unsorted = pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=False)
        in_order = pack_padded_sequence(x, lengths.sort(descending=True).values, batch_first=batch_first)
        inputs = [(x, B), (torch.randn(T, D, dtype=dtype), None), (unsorted, B), (in_order, B)]
        for (given, rows), absent in itertools.product(inputs, (False, True)):
            hx = None if absent else random_hx(theirs, rows)
            compare(ours, theirs, given, hx, TOLERANCE[dtype])


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_sequence_comes_back_as_torch_s(kind):
    ours, theirs = twins(kind, bidirectional=True)
    packed = pack_padded_sequence(torch.randn(T, B, D, dtype=torch.float64), [4, 6, 4], enforce_sorted=False)
    got, want = ours(packed)[0], theirs(packed)[0]
    for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        assert torch.equal(getattr(got, name), getattr(want, name))


@pytest.mark.parametrize("kind", KINDS)
def test_seen_from_outside(kind):
    ours, theirs = twins(kind, num_layers=2, bidirectional=True)
    assert isinstance(ours, type(theirs))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(T, B, D, dtype=torch.float64)
    for copied in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert torch.equal(copied(x)[0], ours(x)[0])
    name, more = KINDS[kind]
    torch.manual_seed(3)
    fresh = getattr(unrolled, name)(D, H, **more)
    torch.manual_seed(3)
    assert all(map(torch.equal, fresh.parameters(), getattr(nn, name)(D, H, **more).parameters()))


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_at_its_rate(kind):
    """With weights of zero a layer's output is constant, but for what dropout did to its input."""
    ours, _ = twins(kind, torch.float32, num_layers=2, dropout=0.3)
    seen = []
    handle = torch.nn.functional.dropout

    def watched(value, rate):
        result = handle(value, rate)
        seen.append((rate, float((result == 0).float().mean())))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unrolled.layers.stack.F.dropout", watched)
        ours(torch.randn(60, 20, D))
    zeros_of_relu = 0.5 if kind == "rnn-relu" else 0.0
    assert [rate for rate, _ in seen] == [0.3], "once, between the two layers"
    assert seen[0][1] == pytest.approx(0.3 + 0.7 * zeros_of_relu, abs=0.2 if zeros_of_relu else 0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_between_layers_while_training_only(kind):
    ours, theirs = twins(kind, num_layers=2, dropout=0.9)
    x = torch.randn(T, B, D, dtype=torch.float64)
    assert not torch.equal(ours(x)[0], ours(x)[0])
    ours.eval(), theirs.eval()
    compare(ours, theirs, x, random_hx(ours, B), 1e-10)


def _bad_inputs(layer):
    x = torch.randn(T, B, D, dtype=torch.float64)
    good = random_hx(layer, B)
    wrong = tuple(one[:, :2] for one in good) if isinstance(good, tuple) else good[:, :2]
    yield torch.randn(T, B, D + 1, dtype=torch.float64), None
    yield torch.randn(2, T, B, D, dtype=torch.float64), None
    yield x, wrong
    yield x[:, 0], good
    yield x.float(), None
    if isinstance(good, tuple):
        yield x, (good[0], good[0][:, :, :1])


@pytest.mark.parametrize("kind", KINDS)
def test_what_torch_refuses_is_refused(kind):
    ours, theirs = twins(kind)
    for x, hx in _bad_inputs(theirs):
        with pytest.raises((RuntimeError, ValueError, TypeError)) as want:
            theirs(x, hx)
        with pytest.raises((RuntimeError, ValueError, TypeError)) as got:
            ours(x, hx)
        assert isinstance(got.value, type(want.value))
        assert str(got.value)


def test_the_states_of_an_lstm_are_two():
    with pytest.raises(TypeError, match=r"tuple \(h_0, c_0\), not as one tensor"):
        unrolled.LSTM(D, H)(torch.randn(T, B, D), torch.zeros(2, 1, B, H))


def test_the_arguments_are_torch_s():
    with pytest.raises(TypeError):
        unrolled.LSTM(D)
    with pytest.raises(ValueError, match="proj_size"):
        unrolled.GRU(D, H, proj_size=2)
    layer = unrolled.LSTM(D, H, 2, False, True, 0.1, True, 3, None, torch.float64)
    assert (layer.num_layers, layer.bias, layer.batch_first, layer.dropout) == (2, False, True, 0.1)
    assert (layer.bidirectional, layer.proj_size) == (True, 3)
