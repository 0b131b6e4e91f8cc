"""The native engine against the reference: outputs, states and every gradient, bit for bit where that is promised."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.testing._internal.two_tensor import TwoTensor

import unrolled
from tests.cells.checks import CASES
from tests.cells.papers import noisy
from tests.equations.random_cells import defined, programs, returns, source_of
from unrolled import ConfigError, Graph, Noise, Recurrent, ShapeError, cells
from unrolled.engine import Program, library, use_engine, wish
from unrolled.engine.compiled import Variant, compiled
from unrolled.equations import cell
from unrolled.ops import affine, linear

ENGINE = pytest.mark.skipif(library() is None, reason="installed without the native engine")
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
SIZES = [(7, 3, 5, 9), (9, 17, 33, 48), (3, 1, 4, 70)]  # T, B, D, H


def _layer(cell, sizes, dtype):
    steps, batch, inputs, hidden = sizes
    program = Program(cell.graph, inputs, hidden)
    parameters = [
        (torch.randn(shape, dtype=dtype) / (shape[-1] if len(shape) > 1 else 4) ** 0.5).requires_grad_()
        for shape in program.parameter_shapes()
    ]
    x = torch.randn(steps, batch, inputs, dtype=dtype, requires_grad=True)
    state = {
        one.name: torch.rand(batch, program.resolve(one.width), dtype=dtype).add(0.5).requires_grad_()
        for one in cell.graph.states
    }
    return program, x, state, parameters


def _everything(program, x, state, parameters, weights, **options):
    """The output, the states, and the gradients of a weighted sum of all of them."""
    output, after = program.run(x, state, parameters, **options)
    results = [output, *after.values()]
    if not weights:
        weights += [torch.randn_like(one) for one in results]
    loss = sum((weight * one).sum() for weight, one in zip(weights, results, strict=True))
    arrays = [x, *state.values(), *parameters]
    gradients = torch.autograd.grad(loss, arrays, allow_unused=True)
    results = [one.detach() for one in results]
    return results, [torch.zeros_like(a) if g is None else g for a, g in zip(arrays, gradients, strict=True)]


def _distance(mine, theirs):
    scale = theirs.abs().max().clamp(min=1e-30) if theirs.numel() else 1.0
    return float((mine - theirs).abs().max() / scale) if theirs.numel() else 0.0


def _masks(kind, made):
    """Lengths, resets and the direction that a text asks for, and noise for a cell that has some."""
    program, x = made[:2]
    steps, batch = x.shape[:2]
    lengths = torch.randint(0, steps + 1, (batch,)) if "lengths" in kind else None
    reset = torch.rand(steps, batch) < 0.3 if "reset" in kind else None
    noise = program.draw(Noise(4), 0, steps, batch, x)
    return {"lengths": lengths, "reset": reset, "reverse": "reverse" in kind, "noise": noise}


@ENGINE
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("kind", ["plain", "lengths, reset", "lengths, reset, reverse"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_engine_is_reference(case, kind, dtype):
    for sizes in SIZES:
        made = _layer(case.cell, sizes, dtype)
        options, weights = _masks(kind, made), []
        with use_engine("native"):
            mine = _everything(*made, weights, **options)
        with use_engine("reference"):
            theirs = _everything(*made, weights, **options)
        for ours, wanted in zip(mine, theirs, strict=True):
            for one, other in zip(ours, wanted, strict=True):
                assert _distance(one, other) <= TOLERANCE[dtype]


@ENGINE
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=programs, last=returns, masks=st.sampled_from(["plain", "lengths, reset", "lengths, reset, reverse"]))
def test_random_cells(body, last, masks):
    """Any cell: the same numbers, the same gradients, NaN where the reference has NaN."""
    _check_random(body, last, masks)


@ENGINE
@pytest.mark.proof
@pytest.mark.timeout(1800)
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=programs, last=returns, masks=st.sampled_from(["plain", "lengths, reset", "lengths, reset, reverse"]))
def test_random_cells_many_times(body, last, masks):
    _check_random(body, last, masks)


@ENGINE
def test_the_room_of_a_part_is_lent_to_one_value_only():
    """c is kept where b was; the product that c is also computed from must not be written there before b is read."""

    @cell
    def crowded(x, h, c):
        a, b = affine(x, h, parts=2)
        c = linear(b - linear(linear(0.5 * a)))
        return h, c

    made, weights = _layer(crowded, (3, 2, 4, 5), torch.float64), []
    with use_engine("native"):
        mine = _everything(*made, weights)
    with use_engine("reference"):
        theirs = _everything(*made, weights)
    for one, other in zip([*mine[0], *mine[1]], [*theirs[0], *theirs[1]], strict=True):
        torch.testing.assert_close(one, other)


def _check_random(body, last, masks):
    made = cell(defined(source_of(body, last), {}))
    if compiled(made.graph, 4, 5, Variant()).reason:
        return  # (a state that comes from parameters alone)
    torch.manual_seed(0)
    layer = _layer(made, (3, 2, 4, 5), torch.float64)
    options, weights = _masks(masks, layer), []
    with use_engine("native"):
        mine = _everything(*layer, weights, **options)
    with use_engine("reference"):
        theirs = _everything(*layer, weights, **options)
    for ours, wanted in zip(mine, theirs, strict=True):
        for one, other in zip(ours, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9 * max(1.0, _size(wanted)), equal_nan=True)


def _size(tensors):
    return max(float(one.nan_to_num(0, 0, 0).abs().max()) for one in tensors if one.numel())


def _same(mine, theirs):
    for ours, wanted in zip(mine, theirs, strict=True):
        for one, other in zip(ours, wanted, strict=True):
            assert torch.equal(one, other)


@ENGINE
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_threads_and_splits_change_no_bit(case, dtype):
    before = torch.get_num_threads()
    made = _layer(case.cell, (6, 21, 35, 70), dtype)
    options, weights, seen = _masks("plain", made), [], []
    try:
        for threads in (1, 2, 3, 5):
            torch.set_num_threads(threads)
            with use_engine("native"):
                seen.append(_everything(*made, weights, **options))
    finally:
        torch.set_num_threads(before)
    for one in seen[1:]:
        _same(one, seen[0])


WHOLE = [cells.lstm, cells.gru_v3, cells.layer_norm_lstm, cells.lru, noisy, cells.min_gru(dropout=0.3, zoneout=0.2)]


@ENGINE
@pytest.mark.parametrize("batch", [1, 2, 5, 33])
@pytest.mark.parametrize("hidden", [16, 65, 160])
@pytest.mark.parametrize("made", WHOLE, ids=repr)
def test_whole_is_pieces_is_steps_is_rows(made, hidden, batch):
    """Forward and the gradient of the input, tolerance 0; a row is the same alone."""
    layer = Recurrent(made, 19, hidden, 2)
    x = torch.randn(9, batch, 19, requires_grad=True)
    weight = torch.randn(9, batch, layer.output_size)
    with use_engine("native"):
        noise = Noise(5)
        whole, last = layer(x, noise=noise)
        (of_whole,) = torch.autograd.grad((whole * weight).sum(), [x], retain_graph=True)
        pieces, state = [], None
        for piece, first in zip(x.split([1, 4, 2, 2]), (0, 1, 5, 7), strict=True):
            output, state = layer(piece, state, noise=noise.at(first))
            pieces.append(output)
        assert torch.equal(torch.cat(pieces), whole)
        (of_pieces,) = torch.autograd.grad((torch.cat(pieces) * weight).sum(), [x])
        assert torch.equal(of_pieces, of_whole)
        state = None
        for t in range(9):
            output, state = layer.step(x[t], state, noise.at(t))
            assert torch.equal(output, whole[t])
        for name, value in last.items():
            assert torch.equal(state[name], value)
        alone, _ = layer(x[:, -1:], noise=Noise(5, row=batch - 1))
        assert torch.equal(alone, whole[:, -1:])


@ENGINE
@pytest.mark.parametrize("made", [cells.lstm, cells.gru, cells.rnn(activation="relu"), cells.slstm], ids=repr)
def test_nan_is_nan(made):
    program, x, state, parameters = _layer(made, (6, 4, 5, 9), torch.float64)
    with torch.no_grad():
        x[2, 1, 3] = torch.nan
        x[3, 2, 0] = torch.inf
        with use_engine("native"):
            mine, after = program.run(x, state, parameters)
        with use_engine("reference"):
            theirs, their_after = program.run(x, state, parameters)
    for one, other in zip([mine, *after.values()], [theirs, *their_after.values()], strict=True):
        assert torch.equal(one.isnan(), other.isnan())
    assert mine.isnan().any()
    assert not mine[:, 0].isnan().any()


@ENGINE
def test_the_choice(monkeypatch):
    layer = Recurrent("lstm", 3, 4)
    assert layer.plan()["layer0"].startswith("native, ")
    assert layer.plan(torch.randn(2, 1, 3, dtype=torch.bfloat16))["layer0"].startswith("reference: ")
    with use_engine("reference"):
        assert layer.plan() == {"layer0": "reference: the reference was asked for"}
    with use_engine("native"), pytest.raises(ConfigError, match="the native engine cannot run this: the tensors are"):
        Recurrent("lstm", 3, 4, dtype=torch.bfloat16)(torch.randn(2, 1, 3, dtype=torch.bfloat16))
    with pytest.raises(ConfigError, match="there is no engine 'nativ'.*Did you mean 'native'"), use_engine("nativ"):
        pass
    monkeypatch.setenv("UNROLLED_ENGINE", "fast")
    with pytest.raises(ConfigError, match="UNROLLED_ENGINE: there is no engine 'fast'"):
        layer(torch.randn(2, 1, 3))


@ENGINE
def test_second_derivatives_go_to_the_reference():
    for made in (cells.lstm, noisy):
        layer = Recurrent(made, 3, 4, dtype=torch.float64)
        x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradgradcheck(lambda x: layer(x, noise=Noise(3))[0], (x,))


@ENGINE
def test_noise_that_no_word_makes_goes_to_the_reference():
    """A stored graph may add noise to a state; the engine has a word for dropout and zoneout only."""
    plain = json.loads(cells.ind_rnn.graph.to_json())
    noise = {"slot": 0, "probability": 0.5, "mean": 0.25, "per": "sequence"}
    plain["nodes"][5] = {"operation": "noise", "width": "H", "attributes": noise}
    plain["nodes"][6] = {"operation": "add", "operands": [5, 1], "width": "H"}
    layer = Recurrent(Graph.from_json(json.dumps(plain)), 3, 40)
    assert layer.plan() == {"layer0": "reference: its noise is neither dropout nor zoneout"}
    x = torch.zeros(4, 2, 3)
    assert not torch.equal(layer(x, noise=Noise(1))[0], layer.eval()(x)[0])


@ENGINE
def test_what_was_changed_in_place_is_noticed():
    layer = Recurrent("gru", 3, 4)
    output, _ = layer(torch.randn(4, 2, 3, requires_grad=True))
    output.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


@ENGINE
def test_gradients_of_states_may_be_laid_out_any_way():
    """A loss hands back a transposed gradient of the last states."""
    program, x, state, parameters = _layer(cells.lstm, (4, 3, 5, 3), torch.float64)
    weight = torch.randn(3, 3, dtype=torch.float64)
    found = []
    for engine in ("native", "reference"):
        with use_engine(engine):
            _, after = program.run(x, state, parameters)
            loss = (after["c"].t() * weight).sum() + (after["h"].t() @ weight).sum()
            found.append(torch.autograd.grad(loss, [x, *state.values(), *parameters]))
    for mine, theirs in zip(*found, strict=True):
        assert _distance(mine, theirs) <= 1e-12


@ENGINE
def test_tensors_whose_memory_is_elsewhere_are_never_read():
    """Masks on another device, subclasses and batched tensors as incoming gradients: they have no address."""
    layer = unrolled.LSTM(2, 3)
    x = torch.ones(3, 2, 2, requires_grad=True)
    with pytest.raises(ShapeError, match="reset is on meta"):
        Recurrent("lstm", 2, 3)(x, reset=torch.zeros(3, 2, dtype=torch.bool, device="meta"))
    double = TwoTensor(torch.ones(3, 2, 3), torch.ones(3, 2, 3))
    want = torch.autograd.grad(layer(x)[0].sum(), x)[0]
    output = layer(x)[0]
    (found,) = torch.autograd.grad(output, x, double)
    torch.testing.assert_close(found.a, want)
    output = layer(x)[0]
    ones = torch.eye(18).view(18, 3, 2, 3)
    each = torch.vmap(lambda one: torch.autograd.grad(output, x, one, retain_graph=True)[0])(ones)
    torch.testing.assert_close(each.sum(dim=0), want)


@ENGINE
def test_a_backward_pass_that_failed_can_be_tried_again(monkeypatch):
    layer, x = Recurrent("gru", 3, 4), torch.randn(4, 2, 3)
    layer(x)[0].sum().backward()
    want = [parameter.grad.clone() for parameter in layer.parameters()]
    layer.zero_grad()
    loss = layer(x)[0].sum()

    def fails(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr("unrolled.engine.native.Sequences.backward", fails)
        loss.backward()
    loss.backward()
    assert all(torch.equal(one.grad, other) for one, other in zip(layer.parameters(), want, strict=True))


def test_blocks_that_end_in_another_order_are_over():
    before = wish()
    one, two = use_engine("reference"), use_engine("auto")
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert wish() == "auto"
    two.__exit__(None, None, None)
    assert wish() == before
