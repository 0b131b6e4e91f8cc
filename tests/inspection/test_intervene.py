"""Changed values: a network computes with them what the equation gives, step by step, with the value replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import unrolled
from tests.cells.checks import CASES, B, D, T, layer_of, random_state
from unrolled import EquationError, LanguageModel, LanguageModelConfig, Recurrent, ShapeError, Strategy, use_engine
from unrolled.errors import AddressError
from unrolled.generation import writer
from unrolled.inspection import Clamp, Scale, Shift, intervene, trace

every_cell = pytest.mark.parametrize("case", CASES, ids=str)
engines = pytest.mark.parametrize("engine", ["auto", "reference"])


def _names(layer):
    """Names of values that differ from row to row, not those of parameters alone."""
    program = layer.stack()[0][0].program.expected
    x, state = torch.zeros(2, D).double(), {k: v[0] for k, v in layer.double().zero_state(2).items()}
    values = program.reference.named_values(x, state, list(layer.stack()[0][0].parameters))
    return [
        name for name, value in values.items() if value.dim() == 2 and value.shape[-1] > 1 and value.is_floating_point()
    ]


@engines
@every_cell
@torch.no_grad()
def test_a_clamped_value_is_what_was_asked_for(case, engine):
    layer = layer_of(case.cell, torch.float64).eval()
    x, state = torch.randn(T, B, D, dtype=torch.float64), random_state(layer, positive=case.positive)
    with use_engine(engine):
        plain = trace(layer, x, state, names=["*"])
        for name in _names(layer):
            with intervene(layer, {f"layer0.{name}[1,3]": 0.25}):
                changed = trace(layer, x, state, names=["*"])
            value, before = changed[f"layer0.{name}"], plain[f"layer0.{name}"]
            assert (value[..., [1, 3]] == 0.25).all()
            assert torch.equal(value[0][..., [0, 2]], before[0][..., [0, 2]]), "nothing was there before it"
        assert torch.equal(layer(x, state)[0], plain.output[0]), "after the block all is as before"


@engines
@every_cell
@torch.no_grad()
def test_patching_in_what_was_there_changes_nothing(case, engine):
    layer = layer_of(case.cell, torch.float64).eval()
    x, state = torch.randn(T, B, D, dtype=torch.float64), random_state(layer, positive=case.positive)
    with use_engine(engine):
        plain = trace(layer, x, state, names=["*"])
        for name in _names(layer):
            changes = {f"layer0.{name}": Clamp(plain[f"layer0.{name}"])}
            for change in (changes, {f"layer0.{name}": Scale(1.0)}, {f"layer0.{name}": Shift(0.0, slice(2, 5))}):
                with intervene(layer, change):
                    torch.testing.assert_close(layer(x, state)[0], plain.output[0], rtol=1e-12, atol=1e-12)


def _lstm_by_hand(layer, x, change):
    """An LSTM, step by step, with the gate `f` and the state `c` changed: `change(name, value, step)`."""
    w = dict(layer.named_parameters())
    w = {name.removeprefix("layer0."): value for name, value in w.items()}
    h = c = torch.zeros(x.shape[1], layer.hidden_size, dtype=x.dtype)
    outputs = []
    for t, one in enumerate(x):
        w_x, b_x, w_h, b_h = w.values()
        i, f, o, g = (one @ w_x.T + b_x + h @ w_h.T + b_h).chunk(4, dim=-1)
        i, f, o, g = i.sigmoid(), change("f", f.sigmoid(), t), o.sigmoid(), g.tanh()
        c = change("c", f * c + i * g, t)
        h = o * c.tanh()
        outputs.append(h)
    return torch.stack(outputs)


@engines
def test_it_is_the_equation_by_hand(engine):
    layer = layer_of(unrolled.cells.lstm, torch.float64)
    x = torch.randn(T, B, D, dtype=torch.float64)
    patch = torch.randn(T, B, 2, dtype=torch.float64)
    shift = torch.randn(9, dtype=torch.float64)
    changes = {
        "layer0.f": Shift(shift),
        "layer0.f[2]": Scale(0.5, steps=slice(3, None)),
        "layer0.c[4]": 0.7,
        "layer0.c[6,1]": Clamp(patch, steps=slice(1, 6, 2)),
    }

    def by_hand(name, value, t):
        value = value.clone()
        if name == "f":
            value += shift
            if t >= 3:
                value[:, 2] = value[:, 2] * 0.5
        else:
            value[:, 4] = 0.7
            if t in range(1, 6, 2):
                value[:, [6, 1]] = patch[t]
        return value

    want = _lstm_by_hand(layer, x, by_hand)
    with use_engine(engine):
        with intervene(layer, changes):
            got = layer(x)[0]
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)
        weight = torch.randn_like(got)
        mine = torch.autograd.grad((got * weight).sum(), list(layer.parameters()))
    theirs = torch.autograd.grad((want * weight).sum(), list(layer.parameters()))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


def test_steps_go_on_from_call_to_call():
    layer, x = Recurrent("gru", D, 9), torch.randn(T, B, D)
    change = {"layer0.z": Clamp(0.0, steps=slice(3, 5))}
    with torch.no_grad():
        with intervene(layer, change):
            whole, _ = layer(x)
        with intervene(layer, change):
            first, state = layer(x[:4])
            second, _ = layer(x[4:], state)
        with intervene(layer, change):
            state, steps = None, []
            for one in x:
                output, state = layer.step(one, state)
                steps.append(output)
    assert torch.equal(torch.cat([first, second]), whole)
    assert torch.equal(torch.stack(steps), whole)


@pytest.mark.parametrize("steps", [None, slice(4, 9)])
def test_a_model_writes_with_it(steps):
    model = LanguageModel(LanguageModelConfig(vocab_size=13, hidden_size=19, num_layers=2), "lstm").double()
    logits, state = torch.randn(3, 13).double(), model.rnn.zero_state(3)
    numbers = torch.rand(30, 3, dtype=torch.float64)
    written = {}
    for engine in ("auto", "reference"):
        with use_engine(engine), intervene(model, {"rnn.layer1.h": Clamp(2.0, steps), "layer0.c[3]": -1.0}):
            written[engine] = writer(model, Strategy())(logits, state, numbers)[0]
    plain = writer(model, Strategy())(logits, state, numbers)[0]
    assert torch.equal(written["auto"], written["reference"])
    assert not torch.equal(written["auto"], plain)


def test_blocks_within_blocks():
    layer, x = Recurrent("gru", D, 9), torch.randn(T, B, D)
    with intervene(layer, {"layer0.z": 0.5}), intervene(layer, {"layer0.n[2]": 0.1}):
        inner = trace(layer, x)
    assert (inner["layer0.z"] == 0.5).all()
    assert (inner["layer0.n[2]"] == 0.1).all()


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"layer0.q": 0.0}, AddressError, "no value 'layer0.q'"),
        ({"layer0.z[9]": 0.0}, AddressError, "9 units"),
        ({"layer0.z": torch.zeros(4)}, ShapeError, "give a finite number"),
        ({"layer0.z": Clamp(torch.zeros(3, 9))}, ShapeError, "give a finite number"),
        ({"layer0.z": float("nan")}, ShapeError, "finite"),
        ({"layer0.z": Scale(0.5, steps=slice(-2, None))}, ShapeError, "counts from 0"),
        ({"layer0.z": "one"}, ShapeError, "give a finite number"),
        ({"layer0.z": [1.0]}, ShapeError, "give a finite number"),
        ({"layer0.z": torch.zeros(9, device="meta")}, ShapeError, "give a finite number"),
        ({"layer0.z": Clamp(0.0, steps=3)}, ShapeError, "give a slice"),
        ({"layer0.z": Clamp(0.0, steps=slice(0, 5, 0))}, ShapeError, "give a slice"),
        ({"layer0.z": Clamp(torch.zeros(T, B + 1, 9))}, ShapeError, f"for {B + 1} rows"),
        ({"layer0.z[" + "9" * 5000 + "]": 0.0}, AddressError, "names no units"),
        ({3: 0.0}, AddressError, "no address"),
    ],
)
def test_what_cannot_be_changed_is_told(changes, error, told):
    layer, x = Recurrent("gru", D, 9), torch.randn(T, B, D)
    want = layer(x)[0]
    with pytest.raises(error, match=told), intervene(layer, changes):
        layer(x)
    assert torch.equal(layer(x)[0], want)


def test_a_number_is_no_value():
    @unrolled.cell
    def counting(x, h):
        two = unrolled.ops.affine(x) > 0
        return unrolled.ops.where(two, h, 0.5 * h)

    layer = Recurrent(counting, D, 9)
    with pytest.raises(EquationError, match="cannot be changed"), intervene(layer, {"layer0.two": 1.0}):
        layer(torch.randn(T, B, D))


@engines
def test_an_inner_block_leaves_the_outer_one_as_it_is(engine):
    layer, x = Recurrent("lstm", D, 7), torch.randn(T, B, D)
    outer = {"layer0.h": Clamp(1.0, steps=slice(0, 2))}
    for inner in ({"layer0.f[0]": 0.0}, {"layer0.f[0]": Clamp(0.0, steps=slice(0, 9))}):
        with use_engine(engine), intervene(layer, outer), intervene(layer, inner):
            seen = trace(layer, x)
        assert (seen["layer0.h"][:2] == 1.0).all()
        assert not (seen["layer0.h"][2:] == 1.0).any()
        assert (seen["layer0.f[0]"] == 0.0).all()


def test_blocks_that_end_in_another_order_are_over():
    layer, x = Recurrent("lstm", D, 7), torch.randn(T, B, D)
    want = layer(x)[0]

    def left_open():
        with intervene(layer, {"layer0.h": 0.0}):
            yield

    one, two = left_open(), left_open()
    next(one)
    with intervene(layer, {"layer0.f": 0.0}):
        one.close()
        assert (trace(layer, x)["layer0.f"] == 0.0).all()
    assert torch.equal(layer(x)[0], want)
    next(two)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(two.close).result()
    assert torch.equal(layer(x)[0], want)


def test_changes_are_made_in_their_order():
    layer, x = Recurrent("lstm", D, 7), torch.randn(T, B, D)

    def seen(**changes):
        with intervene(layer, changes["of"]):
            return trace(layer, x)["layer0.h[0]"]

    alone = seen(of={"layer0.h[0]": Scale(6.0)})
    assert torch.allclose(seen(of={"layer0.h": Scale(2.0), "layer0.h[0]": Scale(3.0)})[0], alone[0])
    always, sometimes = Clamp(1.0), Clamp(1.0, steps=slice(0, 99))
    for first in (always, sometimes):
        assert (seen(of={"layer0.h": first, "layer0.h[0]": Scale(5.0)}) == 5.0).all()
        assert (seen(of={"layer0.h[0]": Scale(5.0), "layer0.h": first}) == 1.0).all()


def test_what_a_change_is_made_of_may_change_and_have_gradients():
    layer, x = Recurrent("gru", D, 7), torch.randn(T, B, D)
    shift = torch.zeros(7, requires_grad=True)
    with intervene(layer, {"layer0.h": Shift(shift)}):
        first = layer(x)[0]
        first.sum().backward()
        gradient = shift.grad.clone()
        with torch.no_grad():
            shift += 1
        second = layer(x)[0]
        second.sum().backward()
        layer.double()
        assert layer.plan()["layer0"].startswith("native") or unrolled.engine.library() is None
    assert (gradient > 0).all()
    assert not torch.equal(first, second)


def test_a_stepper_takes_changes_that_are_always_the_same():
    layer, x = Recurrent("lstm", D, 7), torch.randn(T, B, D)
    for change in ({"layer0.c[2]": 0.5}, {"layer0.c[2]": Clamp(0.5, steps=slice(2, 4))}):
        with intervene(layer, change):
            stepper = layer.stepper(B)
            outputs = torch.stack([stepper(one) for one in x])
        with torch.no_grad(), intervene(layer, change):
            assert torch.equal(outputs, layer(x)[0])
