"""A trace: the values of the equation, step by step, at their addresses, and their gradients."""

from __future__ import annotations

import copy

import numpy as np
import pandas
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import unrolled
from tests.cells.checks import CASES, B, D, T, layer_of
from tests.layers.test_recurrent import both_ways
from unrolled import Recurrent, ShapeError, use_engine
from unrolled.errors import AddressError, ConfigError
from unrolled.inspection import Recorder, trace

every_cell = pytest.mark.parametrize("case", CASES, ids=str)
engines = pytest.mark.parametrize("engine", ["auto", "reference"])
LENGTHS = [4, 7, 2]


def _by_hand(program, parameters, x, lengths, reset, *, reverse):
    """Every named value, by stepping through the equation: `[T, B, width]`, zeros where a row has ended."""
    rows = []
    for row in range(x.shape[1]):
        state = {one.name: torch.zeros(1, program.resolve(one.width), dtype=x.dtype) for one in program.graph.states}
        seen = {}
        order = list(range(lengths[row]))
        for t in reversed(order) if reverse else order:
            starts = reset[t, row] if not reverse else t + 1 < lengths[row] and reset[t + 1, row]
            if starts:
                state = {name: torch.zeros_like(value) for name, value in state.items()}
            values = program.reference.named_values(x[t, row : row + 1], state, parameters)
            state = {name: values[name] for name in state}
            for name, value in values.items():
                seen.setdefault(name, torch.zeros(len(x), value.shape[-1] if value.dim() else 1, dtype=x.dtype))
                seen[name][t] = value
        rows.append(seen)
    return {name: torch.stack([one[name] for one in rows], dim=1) for name in rows[0]}


@engines
@every_cell
@torch.no_grad()
def test_it_is_the_equation_by_hand(case, engine):
    """Both directions, two layers, lengths, resets."""
    layer = both_ways(case.cell).eval()
    x, reset = torch.randn(T, B, D, dtype=torch.float64), torch.rand(T, B) < 0.3
    names = [f"*.{name}" for name in layer.graph.names]
    with use_engine(engine):
        found = trace(layer, x, lengths=LENGTHS, reset=reset, names=names)
        below = x
        for number, directions in enumerate(layer.stack()):
            outputs = []
            for direction, where in zip(directions, ("", ".reverse"), strict=True):
                program = direction.program.expected
                hand = _by_hand(program, direction.parameters, below, LENGTHS, reset, reverse=bool(where))
                for name in program.graph.names:
                    torch.testing.assert_close(
                        found[f"layer{number}{where}.{name}"].as_subclass(torch.Tensor), hand[name], rtol=0, atol=1e-6
                    )
                outputs.append(
                    direction.program.run(
                        below, {k: v[0] for k, v in layer_of(case.cell, torch.float64).zero_state(B).items()},
                        direction.parameters, lengths=torch.tensor(LENGTHS), reset=reset, reverse=bool(where),
                    )[0]
                )  # fmt: skip
            below = torch.cat(outputs, dim=-1)
    torch.testing.assert_close(found.output[0], below)


@every_cell
def test_gradients_are_those_of_the_reference(case):
    layer = both_ways(case.cell).eval()
    x, weight = torch.randn(T, B, D, dtype=torch.float64), torch.randn(T, B, layer.output_size, dtype=torch.float64)
    found = []
    for engine in ("auto", "reference"):
        with use_engine(engine):
            found.append(trace(layer, x, gradients=True, loss=lambda output: (output[0] * weight).sum()))
    mine, theirs = (one.gradients for one in found)
    assert list(mine) == list(theirs)
    for address in mine:
        torch.testing.assert_close(mine[address].to_numpy(), theirs[address].to_numpy(), rtol=1e-9, atol=1e-11)
    assert all(parameter.grad is None for parameter in layer.parameters())


def _model():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(11, D)
            self.rnn = unrolled.LSTM(D, 8, num_layers=2, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, ids):
            return self.head(self.rnn(self.embedding(ids))[0])

    return Tagger()


def test_a_model_of_the_users():
    model, ids = _model(), torch.randint(11, (B, T))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    found = trace(model, ids, gradients=True, loss=lambda output: output[:, -1].logsumexp(-1).sum())
    assert found["rnn.layer1.f"].shape == found["layer1.f"].shape == (T, B, 8)
    assert torch.equal(found.output, model(ids))
    reach = found.gradients["layer1.h"].norm(dim=(1, 2))
    assert (reach > 0).all()
    assert set(found) == {f"rnn.layer{n}.{name}" for n in (0, 1) for name in "ifogch"}
    assert "rnn.layer0: " in repr(found)


def test_units_and_steps():
    layer, x = Recurrent("lstm", D, 9, 2), torch.randn(T, B, D)
    whole = trace(layer, x)
    some = trace(layer, x, names=["layer1.c[2]", "layer1.c[5:7]", "layer0.i"], steps=slice(2, 5))
    assert set(some) == {"layer1.c", "layer0.i"}
    assert some["layer1.c"].units == [2, 5, 6]
    assert np.array_equal(some["layer1.c"].to_numpy(), whole["layer1.c"].to_numpy()[2:5][..., [2, 5, 6]])
    assert np.array_equal(some["layer1.c[5]"].to_numpy(), whole["layer1.c[5]"].to_numpy()[2:5])
    with pytest.raises(AddressError, match="unit 3 was not recorded"):
        some["layer1.c[3]"]


def test_a_layer_in_a_loop_has_all_its_steps():
    layer, x = Recurrent("gru", D, 4), torch.randn(T, B, D)

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = layer

        def forward(self, x):
            state = None
            for one in x:
                _, state = self.cell.step(one, state)
            return state

    assert torch.equal(trace(Loop(), x)["layer0.z"], trace(layer, x)["layer0.z"])


def test_while_it_trains():
    """On the fast path of a step of training, whose gradients are what they were."""
    layer, x = Recurrent("lstm", D, 9, 2), torch.randn(T, B, D)
    layer(x)[0].sum().backward()
    wanted = [parameter.grad.clone() for parameter in layer.parameters()]
    layer.zero_grad()
    recorder = Recorder(layer, with_gradients=True)
    with recorder.recording():
        layer(x)[0].sum().backward()
    for parameter, want in zip(layer.parameters(), wanted, strict=True):
        assert torch.equal(parameter.grad, want)
    assert (recorder.trace().gradients["layer0.f"] != 0).any()
    recorder.forget()
    layer(x)
    assert not len(recorder.trace())


def test_what_is_done_to_the_output_is_not_done_to_the_trace():
    layer = Recurrent("lstm", D, 4)

    class Doubling(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = layer

        def forward(self, x):
            return self.rnn(x)[0].mul_(2)

    x = torch.randn(T, B, D)
    want, kept = trace(layer, x, names=["*"]), x.clone()
    found = trace(Doubling(), x, names=["*"])
    assert torch.equal(found["layer0.h"], want["layer0.h"])
    x.zero_()
    assert torch.equal(found["layer0.x"], kept)
    plain = trace(layer, kept)
    plain["layer0.h"].as_subclass(torch.Tensor).add_(100)
    assert torch.equal(plain.output[0], layer(kept)[0])


def test_names_that_overlap():
    layer, x = Recurrent("lstm", D, 7), torch.randn(T, B, D)
    whole = trace(layer, x)
    for names in (["layer0.f[3]", "layer0.f"], ["layer0.f", "layer0.f[3]"], "layer0.f"):
        found = trace(layer, x, names=names)
        assert torch.equal(found["layer0.f"], whole["layer0.f"])
        assert torch.equal(found["layer0.f[3]"], whole["layer0.f[3]"])
        assert found["layer0.f"].units == list(range(7))
    assert trace(layer, x, names=["layer0.f[3]", "layer0.f[1,3]"])["layer0.f"].units == [3, 1]


@engines
def test_a_checkpoint_is_recorded_once(engine):
    layer, x = Recurrent("lstm", D, 7), torch.randn(T, B, D)

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = layer

        def forward(self, x):
            return checkpoint(lambda one: self.rnn(one)[0], x, use_reentrant=False)

    with use_engine(engine):
        want = trace(layer, x, gradients=True, loss=lambda output: output[0].sum())
        found = trace(Checkpointed(), x, gradients=True, loss=lambda output: output.sum())
    assert torch.equal(found["layer0.f"], want["layer0.f"])
    torch.testing.assert_close(found.gradients["layer0.f"].to_numpy(), want.gradients["layer0.f"].to_numpy())


def test_no_rows():
    assert trace(Recurrent("lstm", D, 7), torch.randn(T, 0, D))["layer0.f"].shape == (T, 0, 7)


def test_it_is_a_tensor_with_labels():
    values = trace(Recurrent("gru", D, 4), torch.randn(T, B, D))["layer0.z"]
    assert copy.deepcopy(values).units == values.units
    assert trace(Recurrent("gru", D, 4).bfloat16(), torch.randn(T, B, D).bfloat16())["layer0.z"].to_numpy().shape
    assert values.address == "layer0.z"
    assert type(values * 2) is torch.Tensor
    assert torch.as_tensor(values).shape == (T, B, 4)
    assert values.to_numpy().shape == (T, B, 4)
    table = values.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table.loc[(2, 1), "z[3]"] == values[2, 1, 3].item()


def test_what_cannot_be_traced_is_told():
    layer, x = Recurrent("gru", D, 4), torch.randn(T, B, D)
    with pytest.raises(AddressError, match="unrolled.open"):
        trace(nn.Linear(D, 4), x)
    with pytest.raises(AddressError, match="no value 'layer0.q'"):
        trace(layer, x, names=["layer0.q"])
    with pytest.raises(ConfigError, match="loss="):
        trace(layer, x, gradients=True)
    with pytest.raises(ShapeError, match="one real number"):
        trace(layer, x, gradients=True, loss=lambda output: output[0])
    with pytest.raises(ShapeError, match="one real number"):
        trace(layer, x, gradients=True, loss=lambda output: output[0].sum() * 1j)
    for loss in (lambda _: torch.tensor(1.0), lambda output: output[0].argmax()):
        with pytest.raises(ConfigError, match="does not depend"):
            trace(layer, x, gradients=True, loss=loss)
    with torch.inference_mode(), pytest.raises(ConfigError, match="inference_mode"):
        trace(layer, x, gradients=True, loss=lambda output: output[0].sum())
    for limit in (100, None, "a"):
        with pytest.raises(ConfigError, match="max_bytes"):
            trace(layer, x, max_bytes=limit)
    for steps in (3, slice(None, None, -1)):
        with pytest.raises(ConfigError, match="give a slice"):
            trace(layer, x, steps=steps)
    with pytest.raises(AddressError, match="no address"):
        trace(layer, x, names=[])
    with pytest.raises(AddressError, match="names [0-9]+ values"):
        trace(layer, x)["layer0.*"]
    sizes = iter([2, 3])

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = layer

        def forward(self, x):
            return [self.rnn(x[:, : next(sizes)]) for _ in range(2)]

    with pytest.raises(ShapeError, match="different sizes"):
        trace(Twice(), x)


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_gradients_go_back_from_a_loss_with_nobodys_parameters_apart(engine):
    layer, x = Recurrent("lstm", 3, 5), torch.randn(6, 2, 3)
    found = []
    for apart in (True, False):
        recorder = Recorder(layer, ["layer0.f"], with_gradients=True, apart=apart)
        with use_engine(engine), recorder.recording():
            output, _ = layer(x)
        recorder.derive((output * torch.arange(5.0)).sum())
        found.append(recorder.trace().gradients["layer0.f"])
    assert found[0].abs().sum() > 0
    torch.testing.assert_close(found[0].as_subclass(torch.Tensor), found[1].as_subclass(torch.Tensor))
    assert all(one.grad is None for one in layer.parameters())
