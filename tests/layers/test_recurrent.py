"""Recurrent: lengths, resets, directions, stacks, steps and what it refuses."""

from __future__ import annotations

import copy
import itertools
import pickle
from dataclasses import replace

import pytest
import torch

import unrolled
from tests.cells.checks import CASES, NOISE, B, D, H, T, _in_pieces, _same, layer_of, random_state
from unrolled import CellError, Noise, Recurrent, ShapeError, cell, cells
from unrolled.ops import absolute, affine, bias, linear, log, split, tanh, weight

every_cell = pytest.mark.parametrize("case", CASES, ids=str)
LENGTHS = torch.tensor([4, 7, 0])


def of_row(row: int, first: int = 0) -> Noise:
    """The noise of a row that is run alone, from that step on."""
    return replace(NOISE, row=row).at(first)


def both_ways(one, num_layers: int = 2) -> Recurrent:
    layer = Recurrent(one, D, H, num_layers, bidirectional=True, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.5)
    return layer


@every_cell
@pytest.mark.parametrize("directions", [1, 2])
def test_padded_is_unpadded(case, directions):
    layer = both_ways(case.cell) if directions == 2 else layer_of(case.cell, torch.float64, 2)
    x = torch.randn(T, B, D, dtype=torch.float64)
    state = random_state(layer, positive=case.positive) if directions == 1 else None
    padded = x.clone()
    for row, length in enumerate(LENGTHS):
        padded[length:, row] = torch.nan
    output, final = layer(padded, state, lengths=LENGTHS, noise=NOISE)
    for row, length in enumerate(LENGTHS.tolist()):
        assert (output[length:, row] == 0).all()
        start = None if state is None else {name: value[:, row : row + 1] for name, value in state.items()}
        if length == 0:
            for name, value in final.items():
                want = torch.zeros_like(value[:, :1]) if start is None else start[name]
                assert torch.equal(value[:, row : row + 1], want)
            continue
        alone, last = layer(x[:length, row : row + 1], start, noise=of_row(row))
        torch.testing.assert_close(output[:length, row : row + 1], alone, rtol=0, atol=1e-6)
        for name, value in last.items():
            torch.testing.assert_close(final[name][:, row : row + 1], value, rtol=0, atol=1e-6)


@every_cell
def test_padding_reaches_no_gradient(case):
    """0 * NaN is NaN: what stands past the end must not even be multiplied."""
    layer = both_ways(case.cell)
    gradients = []
    for filling in (torch.nan, 0.0):
        layer.zero_grad()
        x = torch.ones(T, B, D, dtype=torch.float64).cumsum(0) / T
        for row, length in enumerate(LENGTHS):
            x[length:, row] = filling
        x.requires_grad_()
        output, final = layer(x, lengths=LENGTHS, noise=NOISE)
        (output.sum() + sum(value.sum() for value in final.values())).backward()
        gradients.append([x.grad, *(parameter.grad for parameter in layer.parameters())])
    for got, want in zip(*gradients, strict=True):
        assert torch.equal(got, want)
        assert got.isfinite().all()


@every_cell
def test_a_reset_is_a_fresh_start(case):
    layer = layer_of(case.cell, torch.float64, 2)
    x, state = torch.randn(T, B, D, dtype=torch.float64), random_state(layer, positive=case.positive)
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[3] = True
    output, final = layer(x, state, reset=reset, noise=NOISE)
    before, _ = layer(x[:3], state, noise=NOISE)
    after, last = layer(x[3:], noise=NOISE.at(3))
    assert torch.equal(output, torch.cat([before, after]))
    for name, value in last.items():
        assert torch.equal(final[name], value)


@every_cell
def test_a_reset_in_both_directions(case):
    """Segments of a row stand for themselves, forwards and backwards, also where rows are cut apart."""
    layer = both_ways(case.cell)
    x = torch.randn(T, B, D, dtype=torch.float64)
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[2, 0] = reset[5, 0] = reset[1, 1] = reset[0, 2] = True
    output, _ = layer(x, reset=reset, noise=NOISE)
    for row, starts in enumerate([[0, 2, 5, T], [0, 1, T], [0, T]]):
        for start, end in itertools.pairwise(starts):
            alone, _ = layer(x[start:end, row : row + 1], noise=of_row(row, start))
            torch.testing.assert_close(output[start:end, row : row + 1], alone, rtol=0, atol=1e-12)


@every_cell
def test_resets_and_lengths_together(case):
    """A reset inside the padding of a row starts nothing, in neither direction."""
    x = torch.randn(T, B, D, dtype=torch.float64)
    lengths = [4, 7, 2]
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[2] = reset[5] = True
    forward = layer_of(case.cell, torch.float64, 2)
    for layer, state in ((forward, random_state(forward, positive=case.positive)), (both_ways(case.cell), None)):
        output, final = layer(x, state, lengths=lengths, reset=reset, noise=NOISE)
        for row, length in enumerate(lengths):
            one = slice(row, row + 1)
            start = None if state is None else {name: value[:, one] for name, value in state.items()}
            alone, last = layer(x[:length, one], start, reset=reset[:length, one], noise=of_row(row))
            torch.testing.assert_close(output[:length, one], alone, rtol=0, atol=1e-12)
            for name, value in last.items():
                torch.testing.assert_close(final[name][:, one], value, rtol=0, atol=1e-12)


def test_padding_is_not_computed_on_zeros_either():
    """A cell with a pole at zero: its derivative there, times zero, would be NaN."""

    @cell
    def poled(x, h):
        return tanh(log(absolute(linear(x))) + linear(h))

    layer = both_ways(poled)
    x = torch.randn(T, B, D, dtype=torch.float64)
    x[4:, 0] = torch.nan
    output, _ = layer(x, lengths=[4, 7, 5])
    output.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_dropout_stands_between_layers():
    """Cells that hand their input on, layer by layer: what is zero was dropped, what is left is scaled."""

    @cell
    def wire(x, h):
        return linear(x, init="identity") + 0.0 * h

    ones = torch.ones(40, 30, 64)
    layer = Recurrent(wire, 64, 64, num_layers=2, dropout=0.25)
    for output in (layer(ones)[0], torch.stack([layer.step(row)[0] for row in ones])):
        dropped = output == 0
        assert abs(dropped.float().mean() - 0.25) < 0.01
        torch.testing.assert_close(output[~dropped], torch.full_like(output[~dropped], 1 / 0.75))
    assert torch.equal(layer.eval()(ones)[0], ones)
    assert torch.equal(Recurrent(wire, 64, 64, num_layers=1, dropout=0.25)(ones)[0], ones), "not around one layer"


def test_torch_s_own_tools_reach_the_parameters():
    layer = layer_of(cells.lstm, torch.float64)
    x = torch.randn(T, B, D, dtype=torch.float64)
    doubled = {name: value * 2 for name, value in layer.named_parameters()}
    replaced = torch.func.functional_call(layer, doubled, (x,))[0]
    before = layer(x)[0]
    torch.nn.utils.parametrizations.weight_norm(layer.layer0, "weight_i_h")
    torch.testing.assert_close(layer(x)[0], before)
    layer.load_state_dict({**layer.state_dict(), "layer0.bias_i_x": doubled["layer0.bias_i_x"].detach()})
    assert not torch.equal(layer(x)[0], before)
    assert not torch.equal(replaced, before)


@every_cell
def test_the_reverse_direction_is_the_forward_one_on_the_reversed_text(case):
    layer = both_ways(case.cell, num_layers=1)
    x = torch.randn(T, B, D, dtype=torch.float64)
    alone = Recurrent(case.cell, D, H, dtype=torch.float64)
    alone.layer0.load_state_dict(layer.layer0.reverse.state_dict())
    output, final = layer.eval()(x)  # (noise is that of a step, whichever comes first)
    backwards, last = alone.eval()(x.flip(0))
    width = backwards.shape[-1]
    assert torch.equal(output[..., width:], backwards.flip(0))
    for name, value in last.items():
        assert torch.equal(final[name][1:], value)


def _in_single_steps(layer, x, state):
    outputs = []
    for t, row in enumerate(x):
        output, state = layer.step(row, state, NOISE.at(t))
        outputs.append(output)
    return torch.stack(outputs), state


@pytest.mark.parametrize("one", ["lstm", "gru_v3"])
@pytest.mark.parametrize("hidden_size", [64, 130])
@pytest.mark.parametrize("batch", [1, 33])
@pytest.mark.parametrize("input_size", [64, 65])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_whole_is_pieces_is_steps_at_larger_sizes(one, hidden_size, batch, input_size, dtype):
    """Tolerance 0, where a product goes by blocks and threads, and rows start in the middle of a cache line, or not."""
    layer = Recurrent(one, input_size, hidden_size, num_layers=2, dtype=dtype)
    x = torch.randn(T, batch, input_size, dtype=dtype)
    state = {name: torch.randn_like(value) for name, value in layer.zero_state(batch).items()}
    whole = layer(x, state, noise=NOISE)
    _same(_in_pieces(layer, x, state, [1, 4, 2]), whole)
    _same(_in_single_steps(layer, x, state), whole)


every_half = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)


@every_cell
@every_half
def test_half_precision(case, dtype):
    """The numbers of float64, rounded; whole = pieces = steps with tolerance 0, too; gradients of the same type."""
    layer = layer_of(case.cell, dtype, 2)
    exact = Recurrent(case.cell, D, H, 2, dtype=torch.float64)
    exact.load_state_dict(layer.state_dict())
    x, state = torch.randn(T, B, D, dtype=dtype), random_state(layer, positive=case.positive)
    output, final = layer(x, state, noise=NOISE)
    _same(_in_pieces(layer, x, state, [1, 4, 2]), (output, final))
    _same(_in_single_steps(layer, x, state), (output, final))
    want, last = exact(x.double(), {name: value.double() for name, value in state.items()}, noise=NOISE)
    for got, value in [(output, want), *((final[name], last[name]) for name in last)]:
        assert got.dtype == dtype
        _about(got, value, 16 * torch.finfo(dtype).eps)
    output.sum().backward()
    for parameter in layer.parameters():
        assert parameter.grad.dtype == dtype
        assert parameter.grad.isfinite().all()


def _about(got, want, tolerance):
    size = max(1.0, float(want.detach().abs().max()))
    torch.testing.assert_close(got.to(want), want, rtol=tolerance, atol=tolerance * size)


@every_cell
@every_half
def test_half_precision_with_lengths_and_resets(case, dtype):
    layer = both_ways(case.cell).to(dtype)
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[2] = True
    output, final = layer(torch.randn(T, B, D, dtype=dtype), lengths=LENGTHS, reset=reset)
    assert {output.dtype, *(value.dtype for value in final.values())} == {dtype}
    assert output.isfinite().all()
    assert (output[4:, 0] == 0).all()


@every_cell
def test_autocast(case):
    """Products in bfloat16, gradients in float32; what comes out of one call, of either type, goes into the next."""
    layer = layer_of(case.cell, torch.float32, 2)
    x, state = torch.randn(T, B, D), random_state(layer, positive=case.positive)
    want, last = layer(x, state, noise=NOISE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, final = layer(x, state, noise=NOISE)
        pieces, carried = _in_pieces(layer, x, state, [1, 4, 2])
    _same((pieces, carried), (output, final))
    for got, value in [(output, want), *((final[name], last[name]) for name in last)]:
        _about(got, value, 16 * torch.finfo(torch.bfloat16).eps)
    assert not torch.equal(output.float(), want), "nothing was cast"
    output.float().sum().backward()
    for parameter in layer.parameters():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()


def _called(layer):
    """The layer as a function of its parameters, too."""
    return lambda parameters, x, state: torch.func.functional_call(layer, parameters, (x, state), {"noise": NOISE})


@every_cell
def test_vmap(case):
    """Four at once, each with weights, a text and states of its own: what each gives alone."""
    layer = layer_of(case.cell, torch.float64, 2)
    x, states = (
        torch.randn(4, T, B, D, dtype=torch.float64),
        [random_state(layer, positive=case.positive) for _ in range(4)],
    )
    parameters = {name: torch.randn(4, *value.shape).to(value) / 2 for name, value in layer.named_parameters()}
    together = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    output, final = torch.func.vmap(_called(layer))(parameters, x, together)
    for number, state in enumerate(states):
        layer.load_state_dict({name: value[number] for name, value in parameters.items()})
        alone, last = layer(x[number], state, noise=NOISE)
        _about(output[number], alone, 1e-12)
        for name, value in last.items():
            _about(final[name][number], value, 1e-12)


@every_cell
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch warns of itself
def test_jvp(case):
    """The derivative J along a direction d, weighed by w, is that of a plain call backwards: w . Jd = d . J'w."""
    layer = layer_of(case.cell, torch.float64, 2)
    state = random_state(layer, positive=case.positive)
    parameters = {name: value.detach() for name, value in layer.named_parameters()}
    point = (parameters, torch.randn(T, B, D, dtype=torch.float64), state)
    along = ({name: torch.randn_like(value) for name, value in parameters.items()}, torch.randn_like(point[1]))
    along = (*along, {name: torch.randn_like(value) for name, value in state.items()})
    got, slopes = torch.func.jvp(_called(layer), point, along)

    inputs = [one.requires_grad_() for one in (point[1], *state.values())]
    want = layer(point[1], state, noise=NOISE)
    weights = [torch.randn_like(one) for one in _flat(*want)]
    backwards = torch.autograd.grad(_dot(weights, _flat(*want)), [*layer.parameters(), *inputs])
    _about(got[0], want[0].detach(), 1e-12)
    _about(_dot(weights, _flat(*slopes)), _dot([*along[0].values(), *_flat(*along[1:])], backwards), 1e-12)


def _flat(output, state):
    return [output, *state.values()]


def _dot(these, those):
    return sum((one * other).sum() for one, other in zip(these, those, strict=True))


def test_batch_first():
    layer = both_ways(cells.gru)
    turned = copy.deepcopy(layer)
    turned.batch_first = True
    x, reset = torch.randn(T, B, D, dtype=torch.float64), torch.rand(T, B) < 0.3
    output, final = layer(x, lengths=LENGTHS, reset=reset)
    other, last = turned(x.transpose(0, 1), lengths=LENGTHS, reset=reset.t())
    assert torch.equal(output, other.transpose(0, 1))
    assert torch.equal(final["h"], last["h"])


def test_second_derivatives():
    layer = layer_of(cells.lstm, torch.float64)
    x = torch.randn(3, 2, D, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], x)


def test_names_and_repr():
    layer = Recurrent("lstm(forget_bias=1.0)", D, H, 2, bidirectional=True, dropout=0.1)
    names = {name for name, _ in layer.named_parameters()}
    assert {"layer0.weight_i_x", "layer1.bias_i_h", "layer1.reverse.weight_i_h"} <= names
    assert repr(layer).splitlines()[1].strip() == (
        "lstm(forget_bias=1.0), 5, 9, num_layers=2, bidirectional=True, dropout=0.1"
    )
    assert "weight_i_x (36, 5), bias_i_x (36,), weight_i_h (36, 9), bias_i_h (36,)" in repr(layer)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        x = torch.randn(T, B, D)
        assert torch.equal(copied.eval()(x)[0], layer.eval()(x)[0])


def test_an_output_that_is_no_state_feeds_the_next_layer():
    @cell
    def read_out(x, h):
        h = tanh(affine(x, h))
        return linear(h, to=2), h

    layer = Recurrent(read_out, D, H, 2, bidirectional=True)
    output, final = layer(torch.randn(T, B, D))
    assert output.shape == (T, B, 4 * H)
    assert layer.output_size == 4 * H
    assert final["h"].shape == (4, B, H)


def test_values_that_are_cut_in_unusual_ways():
    @cell
    def cut(x, h):
        (whole,) = split(linear(x, to=2), 1)
        a, b = split(whole, 2)
        c, d = split(whole, 2)
        (e,) = split(h, [1])
        return tanh(a - d) + b * c + e

    layer = Recurrent(cut, D, H, dtype=torch.float64)
    x, h = torch.randn(B, D, dtype=torch.float64), torch.randn(1, B, H, dtype=torch.float64)
    a, b = (x @ layer.layer0.weight_whole.T).chunk(2, dim=-1)
    torch.testing.assert_close(layer.step(x, {"h": h})[0], torch.tanh(a - b) + b * a + h[0])


def test_a_state_that_depends_on_parameters_only():
    @cell
    def constant(x, h):
        h = weight() * 2
        return h

    output, final = Recurrent(constant, D, H)(torch.randn(T, B, D))
    assert output.shape == (T, B, H)
    assert final["h"].shape == (1, B, H)


def test_initial_values():
    @cell
    def started(x, h):
        a = linear(x, init=("uniform", 0.5, 0.6)) + linear(h, init="orthogonal")
        b = linear(h, init=("identity", 3.0)) + bias(init=0.25)
        d = weight(init=("normal", 1e-6))
        return tanh(a + b + d)

    values = dict(Recurrent(started, D, H).layer0.named_parameters())
    uniform, orthogonal, identity, quarter, normal = values.values()
    assert ((uniform >= 0.5) & (uniform <= 0.6)).all()
    torch.testing.assert_close(orthogonal @ orthogonal.T, torch.eye(H), rtol=0, atol=1e-5)
    assert torch.equal(identity, 3 * torch.eye(H))
    assert (quarter == 0.25).all()
    assert 0 < normal.abs().max() < 1e-4

    forget = dict(Recurrent(cells.lstm(forget_bias=1.0), D, H).layer0.named_parameters())
    assert (forget["bias_i_x"][H : 2 * H] == 1).all()
    assert (forget["bias_i_h"][H : 2 * H] == 0).all()
    assert (forget["bias_i_x"][:H] != 1).all()
    bound = 1 / H**0.5
    assert 0.8 * bound < forget["weight_i_x"].abs().max() <= bound


def _refused(message, **changes):
    arguments = {"cell": "lstm", "input_size": D, "hidden_size": H} | changes
    with pytest.raises((ShapeError, CellError)) as refused:
        Recurrent(**arguments)
    assert message in str(refused.value)


def test_sizes_are_checked():
    _refused("hidden_size=0: give a whole number from 1 to 1,000,000,000", hidden_size=0)
    _refused("input_size=2.5", input_size=2.5)
    _refused("num_layers=-1", num_layers=-1)
    _refused("dropout=1", dropout=1)
    _refused("no cell is called 'lstn'", cell="lstn")
    _refused("state h cannot be", cell=cells.lstm(projection=0))
    _refused("hidden_size=1000000000000: ", hidden_size=10**12)
    _refused("there is no memory for weight_i_x, (4000000000, 1000000000)", hidden_size=10**9, input_size=10**9)
    _refused("dtype=torch.int64: give one of", dtype=torch.int64)
    _refused("dtype=torch.float8_e4m3fn: give one of", dtype=torch.float8_e4m3fn)
    for no_cell in (None, 5, lambda x, h: h):
        _refused("is no cell: give a function under @unrolled.cell", cell=no_cell)


X = torch.zeros(T, B, D)
BAD_CALLS = {
    "two dimensions": (lambda one: one(X[0]), "x has shape (3, 5), wanted (T, B, 5)"),
    "another width": (lambda one: one(X[..., :4]), "x has shape (7, 3, 4), wanted (T, B, 5)"),
    "another type": (lambda one: one(X.double()), "x is torch.float64, the layer's parameters are torch.float32"),
    "no step": (lambda one: one(X[:0]), "x has no time step"),
    "a missing state": (lambda one: one(X, {"h": torch.zeros(1, B, H)}), "the state 'c' is missing"),
    "a typo": (lambda one: one(X, {"hh": X, "c": X}), "there is no state 'hh'; the states: h, c. Did you mean 'h'?"),
    "a state's shape": (
        lambda one: one(X, {"h": torch.zeros(1, B, H), "c": torch.zeros(1, B, 2)}),
        "state 'c' has shape (1, 3, 2), wanted (1, 3, 9)",
    ),
    "a state's type": (
        lambda one: one(X, {"h": torch.zeros(1, B, H), "c": torch.zeros(1, B, H).double()}),
        "state 'c' is torch.float64 on cpu, x is torch.float32 on cpu",
    ),
    "lengths too long": (lambda one: one(X, lengths=[1, 2, 8]), "lengths go from 1 to 8, x has 7 steps"),
    "lengths below zero": (lambda one: one(X, lengths=[-1, 2, 3]), "lengths go from -1 to 3"),
    "too few lengths": (lambda one: one(X, lengths=[1, 2]), "lengths has shape (2,), wanted (3,)"),
    "broken lengths": (lambda one: one(X, lengths=torch.ones(B)), "lengths are torch.float32: give whole numbers"),
    "a reset's shape": (lambda one: one(X, reset=torch.zeros(B, T).bool()), "reset has shape (3, 7), wanted (7, 3)"),
    "a reset's type": (lambda one: one(X, reset=torch.zeros(T, B)), "reset is torch.float32: give bools"),
    "no tensor": (lambda one: one(X.tolist()), "x is a list: give a torch tensor"),
    "an array": (lambda one: one(X.numpy()), "x is a ndarray: give a torch tensor"),
    "nothing": (lambda one: one(None), "x is a NoneType: give a torch tensor"),
    "a tuple of states": (
        lambda one: one(X, (torch.zeros(1, B, H), torch.zeros(1, B, H))),
        "state is a tuple: give the states by their names, {'h': tensor, 'c': tensor}",
    ),
    "a tensor of states": (lambda one: one(X, torch.zeros(1, B, H)), "state is a Tensor: give the states by"),
    "a state of nothing": (lambda one: one(X, {"h": None, "c": None}), "state 'h' is a NoneType"),
    "a step's state in an array": (
        lambda one: one.step(X[0], dict.fromkeys("hc", X.numpy())),
        "state 'h' is a ndarray: give a torch tensor",
    ),
    "complex lengths": (lambda one: one(X, lengths=torch.ones(B).cfloat()), "lengths are torch.complex64: give"),
    "unsigned lengths": (lambda one: one(X, lengths=torch.ones(B).to(torch.uint16)), "lengths are torch.uint16: give"),
    "words as lengths": (lambda one: one(X, lengths=["a", "b", "c"]), "lengths are ['a', 'b', 'c']: give one whole"),
    "a list of resets": (lambda one: one(X, reset=[[True] * B] * T), "reset is a list: give a torch tensor"),
    "a step of three dimensions": (lambda one: one.step(X), "x has shape (7, 3, 5), wanted (B, 5)"),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_calls_are_checked(call):
    make, message = BAD_CALLS[call]
    with pytest.raises(ShapeError) as refused:
        make(Recurrent("lstm", D, H))
    assert message in str(refused.value)


def test_a_batch_of_no_rows():
    layer = Recurrent("lstm", D, H)
    output, state = layer(X[:, :0], lengths=[])
    assert (output.shape, state["c"].shape) == ((T, 0, H), (1, 0, H))


def test_a_bidirectional_layer_sees_the_whole_sequence():
    layer = Recurrent("gru", D, H, bidirectional=True)
    _, state = layer(X)
    with pytest.raises(ShapeError, match="a sequence cannot be carried on in pieces"):
        layer(X, state)
    with pytest.raises(ShapeError, match="cannot run step by step"):
        layer.step(X[0])


def test_the_door():
    for name in unrolled.__all__:
        assert getattr(unrolled, name) is not None
    assert set(dir(unrolled)) == {*unrolled.__all__, "open"}, "whoever imports * keeps Python's own open"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = unrolled.nothing


def test_a_stated_number_changes_no_other_draw():
    """From one seed, lstm and lstm(forget_bias=1.0) differ in the forget biases alone."""
    torch.manual_seed(3)
    plain = Recurrent("lstm", 5, 8, 2).state_dict()
    torch.manual_seed(3)
    stated = Recurrent("lstm(forget_bias=1.0)", 5, 8, 2).state_dict()
    for name, value in plain.items():
        changed = (value != stated[name]).reshape(4, 8, -1).flatten(1).any(dim=1)
        assert changed.tolist() == [False, "bias" in name, False, False], name
