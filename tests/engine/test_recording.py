"""What is recorded of a run: every named value, and its gradient, on the engine and on the reference."""

from __future__ import annotations

import gc

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cells.checks import CASES
from tests.cells.papers import noisy
from tests.engine.test_native import ENGINE, SIZES, TOLERANCE, _distance, _everything, _layer, _masks, _size
from tests.equations.random_cells import defined, programs, returns, source_of
from unrolled import cells
from unrolled.engine import use_engine
from unrolled.engine.compiled import Variant, compiled
from unrolled.engine.executable import POOL
from unrolled.engine.recording import Recording
from unrolled.equations import cell

KINDS = ["plain", "lengths, reset", "lengths, reset, reverse"]
every_cell = pytest.mark.parametrize("case", CASES, ids=str)


def _recorded(engine, made, weights, options, with_gradients=True):
    recording = Recording(tuple(made[0].graph.names), with_gradients=with_gradients)
    with use_engine(engine):
        answer = _everything(*made, weights, recording=recording, **options)
    return recording, answer


def _assert_same(mine, theirs, tolerance):
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert value.shape == theirs[name].shape
        assert _distance(value, theirs[name]) <= tolerance, name


@ENGINE
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
@every_cell
def test_engine_is_reference(case, kind, dtype):
    for sizes in SIZES:
        made, weights = _layer(case.cell, sizes, dtype), []
        options = _masks(kind, made)
        mine, _ = _recorded("native", made, weights, options)
        theirs, _ = _recorded("reference", made, weights, options)
        _assert_same(mine.values, theirs.values, TOLERANCE[dtype])
        nothing = {
            name: torch.zeros_like(mine.values[name]) for name in mine.gradients.keys() ^ theirs.gradients.keys()
        }
        _assert_same(nothing | mine.gradients, nothing | theirs.gradients, TOLERANCE[dtype])


@ENGINE
@every_cell
def test_recording_changes_nothing(case):
    made, weights = _layer(case.cell, SIZES[0], torch.float64), []
    options = _masks("lengths, reset", made)
    with use_engine("native"):
        plain = _everything(*made, weights, **options)
    for with_gradients in (True, False):
        _, answer = _recorded("native", made, weights, options, with_gradients=with_gradients)
        for ours, wanted in zip(answer, plain, strict=True):
            assert all(torch.equal(one, other) for one, other in zip(ours, wanted, strict=True))


@pytest.mark.parametrize("engine", ["auto", "reference"])
@every_cell
def test_it_is_what_the_equation_says(case, engine):
    """Step by step by hand, and the gradients by autograd, of the sum over all later steps."""
    made = _layer(case.cell, SIZES[0], torch.float64)
    program, x, state, parameters = made
    steps, batch = x.shape[:2]
    noise = _masks("plain", made)["noise"]
    seen, now = [], state
    for t in range(steps):
        drawn = [one[t] if one.dim() > 2 else one for one in noise]
        seen.append(program.reference.named_values(x[t], now, parameters, drawn))
        now = {name: seen[-1][name].view_as(value) for name, value in now.items()}
    recording = Recording(tuple(program.graph.names), with_gradients=True)
    with use_engine(engine):
        _, after = program.run(x, state, parameters, noise=noise, recording=recording)
    weights = {name: torch.randn_like(value) for name, value in after.items()}
    sum((weights[name] * value).sum() for name, value in after.items()).backward()
    loss = sum((weights[name] * value).sum() for name, value in now.items())
    for name in program.graph.names:
        rows = [values[name] if values[name].dim() > 1 else values[name].expand(batch, -1) for values in seen]
        assert _distance(recording.values[name], torch.stack(rows).detach()) <= 1e-12, name
        each = [values[name] for values in seen]
        if not all(one.requires_grad and one.dim() > 1 for one in each):
            continue
        found = torch.autograd.grad(loss, each, retain_graph=True, allow_unused=True)
        wanted = torch.stack([torch.zeros_like(one) if g is None else g for one, g in zip(each, found, strict=True)])
        got = recording.gradients.get(name, torch.zeros_like(wanted))
        assert _distance(got, wanted) <= 1e-11, name


@ENGINE
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=programs, last=returns, kind=st.sampled_from(KINDS))
def test_random_cells(body, last, kind):
    _check_random(body, last, kind)


@ENGINE
@pytest.mark.proof
@pytest.mark.timeout(1800)
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=programs, last=returns, kind=st.sampled_from(KINDS))
def test_random_cells_many_times(body, last, kind):
    _check_random(body, last, kind)


def _check_random(body, last, kind):
    one = cell(defined(source_of(body, last), {}))
    if compiled(one.graph, 4, 5, Variant()).reason:
        return  # (a state that comes from parameters alone)
    torch.manual_seed(0)
    made, weights = _layer(one, (3, 2, 4, 5), torch.float64), []
    options = _masks(kind, made)
    mine, answer = _recorded("native", made, weights, options)
    theirs, wanted = _recorded("reference", made, weights, options)
    pairs = [pair for ours, those in zip(answer, wanted, strict=True) for pair in zip(ours, those, strict=True)]
    if not all(_distance(*pair) <= 1e-9 for pair in pairs):
        return  # a comparison that rounding decides, or NaN: `test_native.test_random_cells` is for these
    names = list(theirs.values)
    _assert_close([mine.values[name] for name in names], [theirs.values[name] for name in names])
    nothing = {name: torch.zeros_like(theirs.values[name]) for name in names}
    gradients = [nothing | mine.gradients, nothing | theirs.gradients]
    _assert_close(*([one[name] for name in names] for one in gradients))


def _assert_close(mine, theirs):
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9 * max(1.0, _size(theirs)), equal_nan=True)


@ENGINE
def test_a_value_that_was_recorded_stays_when_its_memory_is_asked_for_again():
    made = _layer(cells.lstm, SIZES[1], torch.float32)
    recording, _ = _recorded("native", made, [], _masks("plain", made))
    gate = recording.values["f"]
    copy = gate.clone()
    del recording
    gc.collect()
    for _ in range(3):
        _recorded("native", made, [], _masks("plain", made))
    assert torch.equal(gate, copy)


@ENGINE
def test_its_memory_comes_back():
    made = _layer(cells.lstm, (9, 17, 33, 480), torch.float32)

    def addresses():
        recording, _ = _recorded("native", made, [], _masks("plain", made))
        return recording.values["f"].untyped_storage().data_ptr()

    addresses()
    assert addresses() == addresses(), "the block that came back is used again"
    assert POOL._free


@ENGINE
def test_noise_is_recorded_in_training_and_its_mean_otherwise():
    made = _layer(noisy, SIZES[0], torch.float64)
    options = _masks("plain", made)
    training, _ = _recorded("native", made, [], options)
    options["noise"] = None
    evaluation, _ = _recorded("native", made, [], options)
    assert training.values.keys() >= evaluation.values.keys()
    assert any(_distance(training.values[name], value) > 0.01 for name, value in evaluation.values.items())
    again, _ = _recorded("native", made, [], options)
    assert all(torch.equal(again.values[name], value) for name, value in evaluation.values.items())
