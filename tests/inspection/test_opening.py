"""Opened models: the same modules, parameters, outputs and gradients; and now they can be looked into."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import unrolled
from tests.inspection.strangers import MODELS, B, D, H, T
from unrolled import ConfigError, use_engine
from unrolled.inspection import close, intervene, names_of, trace
from unrolled.inspection import open as opened

every_model = pytest.mark.parametrize("name", MODELS)
engines = pytest.mark.parametrize("engine", ["auto", "reference"])


def _made(name):
    make, call = MODELS[name]
    return make().double(), call()


def _tensors(output):
    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, nn.utils.rnn.PackedSequence):
        return [output.data]
    return [one for part in output for one in _tensors(part)]


def _answers(model, inputs):
    """All outputs, and the gradients of a weighted sum of them in every parameter and in the input."""
    inputs = [
        one.clone().requires_grad_() if torch.is_tensor(one) and one.is_floating_point() else one for one in inputs
    ]
    outputs = _tensors(model(*inputs))
    loss = sum((one * torch.linspace(-1, 1, one.numel(), dtype=one.dtype).view_as(one)).sum() for one in outputs)
    wanted = [*model.parameters(), *(one for one in inputs if torch.is_tensor(one) and one.requires_grad)]
    return outputs, torch.autograd.grad(loss, wanted)


@engines
@every_model
def test_it_computes_what_it_did(name, engine):
    model, inputs = _made(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    parameters = [id(one) for one in model.parameters()]
    want = _answers(model, inputs)
    assert opened(model) is model
    with use_engine(engine):
        got = _answers(model, inputs)
    for mine, theirs in zip(got, want, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert [id(one) for one in model.parameters()] == parameters
    assert {key: value.tolist() for key, value in model.state_dict().items()} == {
        key: value.tolist() for key, value in before.items()
    }


@every_model
def test_it_can_be_looked_into(name):
    model, inputs = _made(name)
    opened(model)
    found = trace(model, *inputs, gradients=True, loss=lambda output: sum(one.sum() for one in _tensors(output)))
    assert set(found) == {f"{place}.{one}" for place, names in names_of(model).items() for one in names
                          if "@" not in one and one != "x"}  # fmt: skip
    for address, value in found.items():
        assert torch.isfinite(value).all()
        assert found.gradients[address].shape == value.shape
    assert any((found.gradients[address] != 0).any() for address in found)


@every_model
def test_closing_undoes_it(name):
    model, inputs = _made(name)
    kinds = [type(module) for module in model.modules()]
    want = _tensors(model(*inputs))
    close(opened(opened(model)))
    assert [type(module) for module in model.modules()] == kinds
    for one, other in zip(_tensors(model(*inputs)), want, strict=True):
        assert torch.equal(one, other)
    with pytest.raises(unrolled.UnrolledError):
        trace(model, *inputs)


def test_a_derived_class_stays_one():
    model, inputs = _made("derived class")
    kind = type(model)
    opened(model)
    assert isinstance(model, kind)
    assert repr(model) == repr(kind(D, H).double())
    assert type(copy.deepcopy(model)) is type(model)
    with intervene(model, {"layer0.f": 0.0}):
        assert not torch.equal(model(*inputs)[0], close(copy.deepcopy(model))(*inputs)[0])


def test_hooks_stay():
    layer, seen = nn.GRU(D, H), []
    layer.register_forward_hook(lambda *_: seen.append(1))
    opened(layer)(torch.randn(T, B, D))
    assert seen == [1]


def test_it_trains():
    model, inputs = _made("tied language model")
    optimizer = torch.optim.SGD(opened(model).parameters(), 0.1)
    losses = []
    for _ in range(20):
        loss = nn.functional.cross_entropy(model(*inputs)[0].flatten(0, 1), inputs[0].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (nn.Linear(3, 4), "no recurrent layer"),
        (3, "takes an nn.Module, a state_dict or a path, not int"),
    ],
)
def test_what_cannot_be_opened_is_told(model, told):
    with pytest.raises(ConfigError, match=told):
        opened(model)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_compiled_model_is_told():
    with pytest.raises(ConfigError, match="TorchScript"):
        opened(torch.jit.script(nn.LSTM(3, 4)))


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_cells_refuse_what_torchs_refuse(kind):
    theirs, ours = kind(D, H), opened(kind(D, H))
    for arguments in [
        (torch.zeros(B, D + 1),),
        (torch.zeros(B, 2, D),),
        (torch.zeros(B, D), torch.zeros(B + 1, H)),
        (torch.zeros(B, D), torch.zeros(B, H + 1)),
    ]:
        if kind is nn.LSTMCell and len(arguments) == 2:
            arguments = (arguments[0], (arguments[1], arguments[1]))
        with pytest.raises((RuntimeError, ValueError)) as wanted:
            theirs(*arguments)
        with pytest.raises(wanted.type):
            ours(*arguments)
