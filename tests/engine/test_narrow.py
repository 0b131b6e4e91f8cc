"""Matrices in bfloat16: what is multiplied is rounded, and nothing else."""

from __future__ import annotations

import pytest
import torch

from tests.cells.checks import CASES
from unrolled import LSTM, Recurrent, cell, use_engine
from unrolled.engine import Program, library
from unrolled.ops import linear

pytestmark = pytest.mark.skipif(library() is None, reason="installed without the native engine")


@cell
def sums(x, h):
    return linear(x) + linear(h)


def _narrow():
    return torch.autocast("cpu", torch.bfloat16)


def _few_ones(*shape):
    """Zeros, and a few ones of either sign: products and sums of these are exact in any precision."""
    return torch.randint(-1, 2, shape).float() * (torch.rand(shape) < 0.15)


def _run(program, arrays, weights):
    x, h, *parameters = arrays
    output, after = program.run(x, {"h": h}, parameters)
    return output, torch.autograd.grad((output * weights).sum() + after["h"].sum(), arrays)


@pytest.mark.parametrize("sizes", [(2, 3, 5, 9), (3, 1, 4, 33), (3, 18, 37, 130), (2, 300, 3, 7)])
def test_numbers_that_need_no_rounding_are_exact(sizes):
    steps, batch, inputs, hidden = sizes
    torch.manual_seed(hidden)
    program = Program(sums.graph, inputs, hidden)
    shapes = [(steps, batch, inputs), (batch, hidden), *program.parameter_shapes()]
    arrays = [_few_ones(*shape).requires_grad_() for shape in shapes]
    weights = _few_ones(steps, batch, hidden)
    want = _run(program, arrays, weights)
    with _narrow():
        ours = _run(program, arrays, weights)
    assert want[0].abs().max() <= 256, "or bfloat16 could not hold them"
    assert ours[0].equal(want[0])
    assert all(a.equal(b) for a, b in zip(ours[1], want[1], strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_cell_loses_little(case):
    torch.manual_seed(0)
    layer = Recurrent(case.cell, 17, 35).eval()  # without noise
    x = torch.randn(7, 5, 17, requires_grad=True)

    def run():
        output, _ = layer(x)
        return output, torch.autograd.grad(
            (output * output.detach().cos()).sum(), [x, *layer.parameters()], allow_unused=True
        )

    want, gradients = run()
    with _narrow():
        ours, of_ours = run()
    assert ours.dtype == torch.float32
    assert (ours - want).norm() <= 0.02 * want.norm()
    for mine, theirs in zip(of_ours, gradients, strict=True):
        assert theirs is None or (mine - theirs).norm() <= 0.06 * theirs.norm() + 1e-3


def test_it_is_bfloat16_that_multiplies():
    """One product of one number: the operands are rounded to 8 bits, the sum is not."""
    program = Program(sums.graph, 1, 1)
    x, weight = torch.full((1, 1, 1), 1 + 2**-9), torch.full((1, 1), 1 + 2**-6)
    with torch.no_grad(), _narrow():
        output, _ = program.run(x, {"h": torch.full((1, 1), 2.0**-12)}, [weight, torch.ones(1, 1)])
    assert output.item() == 1 + 2**-6 + 2**-12


@pytest.mark.parametrize("batch", [1, 9])
def test_threads_and_pieces_change_no_bit(batch):
    torch.manual_seed(1)
    layer, x = LSTM(40, 70), torch.randn(12, batch, 40)
    before = torch.get_num_threads()
    try:
        with torch.no_grad(), _narrow():
            torch.set_num_threads(1)
            whole, _ = layer(x)
            torch.set_num_threads(3)
            first, state = layer(x[:5])
            rest, _ = layer(x[5:], state)
    finally:
        torch.set_num_threads(before)
    assert torch.cat([first, rest]).equal(whole)


def test_what_goes_in_may_be_narrow_too():
    """Under autocast the layer before gives bfloat16."""
    torch.manual_seed(2)
    model = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), Recurrent("gru", 6, 9))
    x = torch.randn(4, 3, 5)
    with _narrow():
        output, _ = model(x)
    output.sum().backward()
    assert output.dtype == torch.float32
    assert all(one.grad.isfinite().all() for one in model.parameters())


def test_the_plan_says_so():
    layer = Recurrent("gru", 3, 4)
    with _narrow():
        assert layer.plan()["layer0"].startswith("native, ")
        assert layer.plan()["layer0"].endswith(", matrices in bfloat16")
        assert layer.double().plan()["layer0"].count(",") == 1, "autocast leaves float64 alone"
    with torch.autocast("cpu", torch.float16):
        assert layer.float().plan()["layer0"] == "reference: autocast is on, to torch.float16"


def test_the_reference_can_do_it_too():
    torch.manual_seed(3)
    layer, x = Recurrent("lstm", 5, 9), torch.randn(4, 3, 5)
    want, _ = layer(x)
    with _narrow(), use_engine("reference"):
        ours, _ = layer(x)
    assert (ours - want).norm() <= 0.02 * want.norm()
