"""Memory: the engine keeps none that nobody uses, and a training step needs no more than torch.nn's."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest
import torch

from benchmarks.memory import CELLS, SIZES, language_model, layer
from unrolled import LSTM, Recurrent, cells, use_engine
from unrolled.engine import library
from unrolled.engine.compiled import Variant, compiled
from unrolled.engine.lodging import lodgings
from unrolled.engine.memory import Pool

pytestmark = pytest.mark.skipif(library() is None, reason="installed without the native engine")

CALLS = """
import gc, resource, sys, torch
from unrolled import Recurrent
torch.manual_seed(0)
cells = ["lstm", "gru", "rnn", "layer_norm_lstm"]
layers = [Recurrent(cell, 3, 5) for cell in cells]
for layer in layers:
    layer.kept = None

def call(number):
    '''One of the things that a program does with a layer, in a shape that changes.'''
    layer = layers[number % 4]
    x = torch.randn(1 + number % 7, 1 + number % 3, 3)
    if number % 5 == 0:
        output, _ = layer(x)
        output.sum().backward()
        layer.zero_grad()
    elif number % 5 == 1:
        layer(x.requires_grad_())  # a graph that nobody goes back through
    elif number % 5 == 2:
        layer.kept = layer(x)  # one that is kept until the next
    elif number % 5 == 3:
        with torch.no_grad():
            layer(x)
    else:
        try:
            output, _ = layer(x)
            output.register_hook(lambda gradient: 1 / 0)
            output.sum().backward()
        except ZeroDivisionError:
            pass

def used():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

count = int(sys.argv[1])
for number in range(5000): call(number)
before = used()
for number in range(count): call(number)
print(used() - before)
"""


def _growth(calls):
    command = [sys.executable, "-c", CALLS, str(calls)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(ended.stdout)


def test_calls_leak_nothing():
    """Within what the allocator wavers by: 400 bytes a call, where the smallest record of a run has more."""
    assert _growth(5000) < 2_000_000


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_a_million_calls_leak_nothing():
    assert _growth(1_000_000) < 4_000_000


def test_a_graph_that_is_let_go_gives_its_memory_back_at_once():
    """Without a collection: nothing that a run leaves behind is held by a cycle."""
    gc.disable()
    try:
        model = LSTM(5, 7)
        x = torch.randn(4, 3, 5, requires_grad=True)
        for goes_back in (True, False):
            output, state = model(x)
            node = weakref.ref(output.grad_fn)
            if goes_back:
                output.sum().backward()
            del output, state
            assert node() is None
    finally:
        gc.enable()


def test_what_was_kept_goes_with_the_last_backward_pass():
    """Whoever holds a loss does not hold what was kept for it; as with torch's own layers."""
    layer, x = Recurrent("lstm", 3, 5), torch.randn(7, 2, 3)
    output, _ = layer(x)
    node, loss = output.grad_fn, output.sum()
    loss.backward(retain_graph=True)
    assert node.trace is not None
    loss.backward()
    assert node.trace is None
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_a_pool_gives_out_what_came_back():
    pool = Pool()
    place, block = pool.take(1_000_000)
    assert place % 64 == 0
    other, _other_block = pool.take(1_000_000)
    assert abs(other - place) >= 1_000_000
    del block
    again, _block = pool.take(990_000)
    assert again == place


def test_a_pool_leaves_little_to_the_system():
    pool = Pool()
    places = [pool.take(1000) for _ in range(3)]
    assert all(place % 64 == 0 for place, _ in places)
    assert len({place for place, _ in places}) == 3
    del places
    assert not pool._free


def test_what_a_pool_hands_over_does_not_come_back():
    pool = Pool()
    place, block = pool.take(8 * 300 * 500)
    del block
    tensor = pool.hand_over((300, 500), torch.float64)
    assert tensor.shape == (300, 500)
    assert tensor.data_ptr() == place
    del tensor
    assert not any(pool._free.values())


def test_a_pool_keeps_no_more_than_it_may(monkeypatch):
    monkeypatch.setattr("unrolled.engine.memory._KEPT", 10_000)
    monkeypatch.setattr("unrolled.engine.memory._SMALL", 0)
    pool = Pool()
    blocks = [pool.take(size)[1] for size in (4000, 300, 4000, 2000, 4000) * 3]
    del blocks
    idle = [one.numel() for blocks in pool._free.values() for one in blocks]
    assert 5_000 < sum(idle) <= 10_000


def test_a_pool_tells_no_more_sizes_apart_than_it_may(monkeypatch):
    monkeypatch.setattr("unrolled.engine.memory._SIZES", 5)
    pool = Pool()
    for size in range(1, 200):
        _, block = pool.take(size * 10_000)
        del block
        assert len(pool._free) <= 6


def test_memory_comes_back_in_the_middle_of_anything():
    """A collection may drop a graph, and with it its memory, while memory is asked for."""
    layer = Recurrent("gru", 3, 5)
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(30):
            cycle = [layer(torch.randn(3, 2, 3, requires_grad=True))]
            cycle.append(cycle)
    finally:
        gc.set_threshold(*before)


SCRATCH = 1.5  # MB: what the two threads work in, half a MB each, and what keeps rows apart in a cache


@pytest.mark.proof
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_training_step_of_a_layer_needs_no_more_than_torchs(cell, sizes):
    for state in ("first", "warm"):
        mine, theirs = layer("unrolled", cell, *sizes)[state], layer("torch", cell, *sizes)[state]
        assert mine <= theirs + SCRATCH, f"{state}: {mine:.1f} MB, torch.nn {theirs:.1f} MB"


@pytest.mark.proof
@pytest.mark.parametrize("hidden", [128, 512])
def test_a_training_step_of_a_language_model_needs_no_more_than_torchs(hidden):
    for state in ("first", "warm"):
        mine, theirs = language_model("unrolled", hidden)[state], language_model("torch", hidden)[state]
        assert mine <= theirs + SCRATCH, f"{state}: {mine:.1f} MB, torch.nn {theirs:.1f} MB"


@pytest.mark.parametrize("made", [cells.lstm, cells.gru, cells.lru], ids=repr)
def test_gradients_lie_over_what_is_read_for_the_last_time(made):
    """Over what the forward pass kept; but not where somebody goes back again. The bits are the same."""
    variant = Variant(with_gradients=True, with_input_gradient=True)
    program = compiled(made.graph, 9, 33, variant).backward
    assert program is not None
    assert program.over
    layer, x = Recurrent(made, 9, 33), torch.randn(7, 5, 9, requires_grad=True)
    output, after = layer(x)
    loss = output.pow(2).sum() + sum(value.pow(3).sum() for value in after.values())
    first, second, last = (
        torch.autograd.grad(loss, [x, *layer.parameters()], retain_graph=kept) for kept in (True, True, False)
    )
    for one, other, third in zip(first, second, last, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, third)


@pytest.mark.parametrize("hidden", [33, 64])
def test_matrices_are_packed_where_their_gradients_will_lie(hidden):
    """Where they fit: a panel that is not full takes more room than the matrix."""
    made = compiled(cells.lstm().graph, 9, hidden, Variant(with_gradients=True, with_input_gradient=True))
    assert made.backward is not None
    found = lodgings(made.backward)
    assert [made.backward.matrices[number].slot for number in found] == list(found.values())
    assert len(found) == len(made.backward.matrices)
    results = []
    for engine in ("native", "reference"):
        torch.manual_seed(0)
        layer, x = Recurrent("lstm", 9, hidden, dtype=torch.float64), torch.randn(7, 5, 9, dtype=torch.float64)
        with use_engine(engine):
            output, _ = layer(x.requires_grad_())
            results.append(torch.autograd.grad(output.pow(2).sum(), [x, *layer.parameters()]))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_gradients_belong_to_whoever_has_them():
    """Memory that was handed over is not given out again."""
    layer, x = Recurrent("lstm", 9, 64), torch.randn(7, 5, 9)
    layer(x)[0].sum().backward()
    held = [one.grad for one in layer.parameters()]
    before = [one.clone() for one in held]
    for _ in range(3):
        layer.zero_grad()
        layer(2 * x)[0].sum().backward()
    for one, other in zip(held, before, strict=True):
        assert torch.equal(one, other)
