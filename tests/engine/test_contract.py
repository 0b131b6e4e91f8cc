"""The engine under attack: strange tensors, and everything that torch does around a layer.

Each gives the reference's answer, or the error that the reference gives; never a wrong number, and never a crash.
"""

from __future__ import annotations

import copy
import io
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import unrolled
from unrolled import Recurrent, cells, use_engine
from unrolled.engine import Program, library
from unrolled.ops import affine, tanh

pytestmark = pytest.mark.skipif(library() is None, reason="installed without the native engine")
T, B, D, H = 6, 4, 5, 7


class _Sub(torch.Tensor):
    pass


def _x(*sizes, dtype=torch.float32):
    return torch.randn(*(sizes or (T, B, D)), dtype=dtype)


def _layer(cell="lstm", dtype=torch.float32):
    layer = Recurrent(cell, D, H, 2, dtype=dtype)
    return layer, dict(layer.named_parameters())


def _state(dtype=torch.float32):
    return {name: torch.randn(2, B, H, dtype=dtype, requires_grad=True) for name in ("h", "c")}


def _negative_view():
    """A view of memory that holds the numbers with the other sign."""
    view = torch.imag(torch.randn(T, B, D, dtype=torch.complex64).conj())
    assert view.is_neg()
    return view


def _loss(output, state):
    return output.pow(2).sum() + sum(value.sin().sum() for value in state.values())


def _trained(layer, x, state=None):
    """The output, the states and all gradients, as plain tensors."""
    output, after = layer(x, state)
    _loss(output, after).backward()
    arrays = [x, *(state or {}).values(), *layer.parameters()]
    return [output, *after.values(), *(one.grad for one in arrays if one.grad is not None)]


def _plain(results):
    return [one.detach().as_subclass(torch.Tensor) for one in results]


def _on(engine, run):
    """What a run gives on an engine, or the kind of error that it ends with."""
    torch.manual_seed(0)
    with use_engine(engine):
        try:
            return _plain(run())
        except Exception as error:
            return type(error)


def _agree(run, *, works=True):
    mine, theirs = _on("auto", run), _on("reference", run)
    assert isinstance(theirs, list) == works, theirs
    if not works:
        assert mine == theirs
        return
    assert isinstance(mine, list), mine
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)


STRANGE = {
    "transposed": lambda: _x(B, T, D).transpose(0, 1),
    "expanded": lambda: _x(1, 1, D).expand(T, B, D),
    "the same row for all": lambda: _x(T, 1, D).expand(T, B, D),
    "flipped": lambda: _x().flip(0, 2),
    "with gaps": lambda: _x(2 * T, 3 * B, 2 * D)[::2, ::3, ::2],
    "overlapping": lambda: torch.as_strided(_x(200), (T, B, D), (3, 2, 1)),
    "in the middle of a line": lambda: _x(T * B * D + 3)[3:].view(T, B, D),
    "negated": _negative_view,
    "zeros without memory": lambda: torch._efficientzerotensor((T, B, D)),
    "without rows": lambda: _x(T, 0, D),
    "one step": lambda: _x(1, B, D),
    "one row": lambda: _x(T, 1, D),
    "not a number": lambda: _x().index_fill(1, torch.tensor(2), torch.nan),
    "infinite": lambda: _x().index_fill(0, torch.tensor(3), torch.inf),
    "tiny": lambda: 1e-40 * _x(),
    "a subclass": lambda: _x().as_subclass(_Sub),
    "a parameter": lambda: nn.Parameter(_x()),
}
REFUSED = {
    "half": lambda: _x(dtype=torch.float16),
    "double": lambda: _x(dtype=torch.float64),
    "complex": lambda: _x(dtype=torch.complex64),
    "whole numbers": lambda: torch.ones(T, B, D, dtype=torch.int64),
    "sparse": lambda: _x().to_sparse(),
    "without numbers": lambda: _x().to("meta"),
    "too wide": lambda: _x(T, B, D + 1),
}


@pytest.mark.parametrize("needs_gradient", [False, True], ids=["", "with gradient"])
@pytest.mark.parametrize("kind", STRANGE)
def test_strange_inputs(kind, needs_gradient):
    def run():
        x = STRANGE[kind]()
        return _trained(_layer()[0], x.detach().requires_grad_() if needs_gradient else x)

    _agree(run)


@pytest.mark.parametrize("kind", REFUSED)
def test_inputs_that_are_refused(kind):
    _agree(lambda: _trained(_layer()[0], REFUSED[kind]()), works=False)


@pytest.mark.parametrize("kind", ["transposed", "expanded", "negated"])
def test_strange_states(kind):
    def run():
        made = {
            "transposed": _x(H, B, 2).permute(2, 1, 0),
            "expanded": _x(2, 1, H).expand(2, B, H),
            "negated": torch.imag(torch.randn(2, B, H, dtype=torch.complex64).conj()),
        }[kind]
        return _trained(_layer()[0], _x(), {"c": made, "h": torch.randn(2, B, H)})

    _agree(run)


@pytest.mark.parametrize("kind", ["negated", "zeros without memory", "expanded", "transposed"])
def test_strange_gradients(kind):
    """What comes back from a loss, or a hook, is laid out any way."""
    make = STRANGE[kind]

    def run():
        program = Program(cells.ind_rnn().graph, D, D)
        parameters = [torch.randn(shape, requires_grad=True) for shape in program.parameter_shapes()]
        output, after = program.run(_x(), {"h": torch.randn(B, D)}, parameters)
        return torch.autograd.grad([output, after["h"]], parameters, [make(), make()[0]])

    _agree(run)


@pytest.mark.parametrize("cut", ["a matrix", "a bias", "all numbers in one"])
def test_parameters_of_another_shape_are_never_read_beyond_their_end(cut):
    """The engine reads memory by the shapes that it was made for."""

    def run():
        layer, parameters = _layer()
        matrix = next(one for one in parameters.values() if one.dim() == 2)
        bias = next(one for one in parameters.values() if one.dim() == 1)
        if cut == "a matrix":
            matrix.data = torch.randn(2, 2)
        elif cut == "a bias":
            bias.data = torch.randn(3)
        else:
            matrix.data = torch.randn(matrix.numel())
        return [layer(_x())[0]]

    _agree(run, works=False)


def test_a_bias_of_one_number_is_spread_as_torch_does():
    def run():
        layer, parameters = _layer()
        next(one for one in parameters.values() if one.dim() == 1).data = torch.tensor(0.5)
        return [layer(_x())[0]]

    _agree(run)


@pytest.mark.parametrize("wrong", ["state", "lengths", "reset"])
def test_a_program_reads_no_state_or_mask_beyond_its_end(wrong):
    def run():
        program = Program(cells.lstm().graph, D, H)
        parameters = [torch.randn(shape) for shape in program.parameter_shapes()]
        state = {name: torch.randn(B - 1 if wrong == "state" else B, H) for name in ("h", "c")}
        masks = {
            "state": {},
            "lengths": {"lengths": torch.ones(B + 1, dtype=torch.int64)},
            "reset": {"reset": torch.ones(T, B - 1, dtype=torch.bool)},
        }[wrong]
        return [program.run(_x(), state, parameters, **masks)[0]]

    _agree(run, works=False)


@pytest.mark.parametrize("shape", [(T, B, H), (T, B, H - 1), (T, B - 1, H), (B, H)], ids=str)
def test_a_program_reads_no_noise_beyond_its_end(shape):
    @unrolled.cell
    def noisy(x, h):
        h = unrolled.ops.dropout(unrolled.ops.tanh(unrolled.ops.affine(x, h)), 0.5)
        return h

    def run():
        program = Program(noisy.graph, D, H)
        parameters = [torch.randn(size) for size in program.parameter_shapes()]
        noise = torch.rand(shape[::-1]).permute(*range(len(shape) - 1, -1, -1))
        return [program.run(_x(), {"h": torch.randn(B, H)}, parameters, noise=[noise])[0]]

    _agree(run, works=shape in ((B, H), (T, B, H)))  # (the second is spread, by torch)


@pytest.mark.parametrize(
    "wanted", [["x"], ["h"], ["c"], ["p0"], ["p5", "c"], ["x", "p1", "p3"], ["h", "c"]], ids="-".join
)
@pytest.mark.parametrize("of", ["output", "h", "c", "one step"])
def test_any_mixture_of_gradients(wanted, of):
    def run():
        layer, parameters = _layer()
        arrays = {"x": _x(), **_state()} | {f"p{n}": one for n, one in enumerate(parameters.values())}
        for name, one in arrays.items():
            one.requires_grad_(name in wanted)
        output, after = layer(arrays["x"], {"h": arrays["h"], "c": arrays["c"]})
        loss = {"output": output, "one step": output[2], "h": after["h"][1], "c": after["c"]}[of].pow(2).sum()
        found = torch.autograd.grad(loss, [arrays[name] for name in wanted], allow_unused=True)
        return [torch.zeros(1) if one is None else one for one in found]

    _agree(run)


@pytest.mark.parametrize("changed", ["x", "parameter", "h", "last c", "reset"])
def test_what_a_backward_pass_needs_and_was_changed_is_noticed(changed):
    def run():
        layer, parameters = _layer()
        x, state = _x().requires_grad_() * 1, {name: one * 1 for name, one in _state().items()}
        reset = torch.zeros(x.shape[:2], dtype=torch.bool) if changed == "reset" else None
        output, after = layer(x, state, reset=reset)
        with torch.no_grad():
            made = {"x": x, "parameter": next(iter(parameters.values())), "h": state["h"], "last c": after["c"]}
            made[changed].mul_(2) if reset is None else reset.fill_(True)
        _loss(output, after).backward()

    _agree(run, works=False)


def test_a_graph_that_is_kept_serves_many_times():
    def run():
        layer, _ = _layer()
        x, state = _x().requires_grad_(), _state()
        loss = _loss(*layer(x, state))
        for kept in (True, True, False):
            loss.backward(retain_graph=kept)
        arrays = [x, *state.values(), *layer.parameters()]
        return [one.grad for one in arrays]

    _agree(run)


def test_a_graph_that_is_not_kept_serves_once():
    def run():
        loss = _loss(*_layer()[0](_x().requires_grad_()))
        loss.backward()
        loss.backward()

    _agree(run, works=False)


def test_gradients_of_gradients():
    def run():
        layer, _ = _layer(dtype=torch.float64)
        x, state = _x(dtype=torch.float64).requires_grad_(), _state(torch.float64)
        (first,) = torch.autograd.grad(_loss(*layer(x, state)), x, create_graph=True)
        first.pow(2).sum().backward()
        return [first, x.grad, *(one.grad for one in state.values())]

    _agree(run)


def test_gradients_of_gradients_beside_a_state_that_has_none():
    """A counter: nothing that is learned reaches it."""

    @unrolled.cell
    def counting(x, h, c):
        h = tanh(affine(x, h))
        c = c + 1
        return h, c

    def run():
        torch.manual_seed(0)
        layer = Recurrent(counting, 3, 5, dtype=torch.float64)
        x = _x(dtype=torch.float64)[..., :3].requires_grad_()
        output, _ = layer(x)
        (first,) = torch.autograd.grad(output.pow(3).sum(), x, create_graph=True)
        return [first, *torch.autograd.grad(first.pow(2).sum(), list(layer.parameters()))]

    _agree(run)


@pytest.mark.parametrize("is_reentrant", [True, False])
def test_checkpointing(is_reentrant):
    def run():
        layer, parameters = _layer()
        x = _x().requires_grad_()
        output = checkpoint(lambda x: layer(x)[0], x, use_reentrant=is_reentrant)
        output.pow(2).sum().backward()
        return [output, x.grad, *(one.grad for one in parameters.values())]

    _agree(run)


def _frozen(x):
    """The same layer at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return Recurrent("gru", D, H)(x)[0]


def _functional(layer, parameters, x):
    return torch.func.functional_call(layer, parameters, (x,))[0]


def _hooked():
    layer, parameters = _layer()
    seen, x = [], _x().requires_grad_()
    layer.register_full_backward_hook(lambda _module, inside, _out: seen.extend(inside))
    layer.register_forward_hook(lambda _module, _inputs, results: (2 * results[0], results[1]))
    for one in parameters.values():
        one.register_hook(lambda gradient: 2 * gradient)
        one.register_post_accumulate_grad_hook(lambda one: seen.append(one.grad.clone()))
    output, _ = layer(x)
    output.register_hook(lambda gradient: 3 * gradient)
    output.pow(2).sum().backward()
    return sorted([x.grad, *filter(lambda one: one is not None, seen)], key=lambda one: (one.numel(), float(one.sum())))


def _reduced():
    """As DistributedDataParallel does: a hook on each parameter's accumulator, and one bucket for all gradients."""
    layer, parameters = _layer()
    seen, bucket = [], []
    for one in parameters.values():
        accumulator = one.expand_as(one).grad_fn.next_functions[0][0]
        accumulator.register_hook(lambda *_: seen.append(1))
        bucket.append(accumulator)
    layer(_x())[0].pow(2).sum().backward()
    flat = torch.cat([one.grad.view(-1) for one in parameters.values()])
    return [torch.tensor(len(seen)), flat]


def _saved_elsewhere():
    layer, _ = _layer()
    x = _x().requires_grad_()
    with torch.autograd.graph.save_on_cpu():
        output, after = layer(x)
    _loss(output, after).backward()
    return [x.grad]


def _many_gradients_at_once():
    layer, _ = _layer()
    x = _x().requires_grad_()
    output, _ = layer(x)
    which = torch.eye(output.numel()).view(-1, *output.shape)[:5]
    return torch.autograd.grad(output, x, which, is_grads_batched=True)


def _forward_derivative():
    layer, _ = _layer()
    with torch.autograd.forward_ad.dual_level():
        output, _ = layer(torch.autograd.forward_ad.make_dual(_x(), _x()))
        return [torch.autograd.forward_ad.unpack_dual(output).tangent]


class _Passing(TorchDispatchMode):
    def __torch_dispatch__(self, function, _types, arguments=(), options=None):
        return function(*arguments, **(options or {}))


def _under_a_dispatch_mode():
    with _Passing():
        return _trained(_layer()[0], _x())


def _on_another_device_by_default():
    layer, _ = _layer()
    x, state = _x(), _state()
    with torch.device("meta"):
        return [layer(x, state)[0]]


def _among_weights_of_weights():
    layer, parameters = _layer()
    nn.utils.parametrizations.weight_norm(layer.layer0, next(iter(parameters)).partition(".")[2])
    return _trained(layer, _x())


def _with_transposed_parameters():
    layer, parameters = _layer()
    for one in parameters.values():
        if one.dim() == 2:
            one.data = one.data.t().contiguous().t()
    return _trained(layer, _x())


AROUND = {
    "vmap": lambda: [torch.vmap(lambda x: _layer()[0](x)[0], randomness="same")(_x(3, T, B, D))],
    "grad": lambda: [*torch.func.grad(lambda p, x: _functional(_layer()[0], p, x).sum())(_layer()[1], _x()).values()],
    "jvp": lambda: torch.func.jvp(_frozen, (_x(),), (_x(),)),
    "jacobian": lambda: [torch.autograd.functional.jacobian(_frozen, _x(2, 1, D), vectorize=True)],
    "many gradients at once": _many_gradients_at_once,
    "forward derivative": _forward_derivative,
    "hooks": _hooked,
    "a bucket of gradients": _reduced,
    "what is saved lies elsewhere": _saved_elsewhere,
    "a dispatch mode": _under_a_dispatch_mode,
    "another device by default": _on_another_device_by_default,
    "weight_norm": _among_weights_of_weights,
    "transposed parameters": _with_transposed_parameters,
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # torch's own, of its newer parts
@pytest.mark.parametrize("name", AROUND)
def test_what_torch_does_around_a_layer(name):
    _agree(AROUND[name])


def test_anomaly_detection():
    layer, _ = _layer()
    x = _x().requires_grad_()
    with pytest.warns(UserWarning, match="Anomaly Detection"), torch.autograd.detect_anomaly():
        layer(x)[0].sum().backward()
    assert x.grad.isfinite().all()


def test_gradients_are_added_up_over_passes():
    layer, _ = _layer()
    x = _x()
    layer(x)[0].pow(2).sum().backward()
    once = [one.grad.clone() for one in layer.parameters()]
    layer(x)[0].pow(2).sum().backward()
    for one, before in zip(layer.parameters(), once, strict=True):
        torch.testing.assert_close(one.grad, 2 * before)


@pytest.mark.parametrize(
    "make", [lambda: Recurrent("lstm", D, H, 2), lambda: unrolled.LSTM(D, H, 2)], ids=["any", "drop-in"]
)
def test_copies_compute_the_same(make):
    layer, x = make(), _x()
    layer(x)[0].sum().backward()  # (so that it holds programs)
    stored = io.BytesIO()
    torch.save(layer, stored)
    stored.seek(0)
    copies = [copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    copies.append(torch.load(stored, weights_only=False))
    for one in copies:
        assert torch.equal(one(x)[0], layer(x)[0])


def test_memory_of_inference_mode_serves_outside_it():
    layer, _ = _layer()
    x = _x()
    with torch.inference_mode():
        inside = layer(x)[0]
    output, after = layer(x)
    assert torch.equal(output, inside)
    _loss(output, after).backward()
    with torch.inference_mode():
        given = _x()
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        layer(given)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own, of every value between two compiled pieces
def test_torch_compile_takes_a_layer_as_it_is():
    layer, _ = _layer()
    read_out = nn.Linear(H, 3)

    def model(x):
        return read_out(layer(x)[0]).sin()

    x = _x().requires_grad_()
    compiled = torch.compile(model, backend="eager")
    results = []
    for run in (model, compiled):
        (gradient,) = torch.autograd.grad(run(x).pow(2).sum(), x)
        results.append((run(x), gradient))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_jit_trace_records_the_reference():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = _layer()[0]

        def forward(self, x):
            return self.layer(x)[0]

    model = Model()
    with pytest.warns((torch.jit.TracerWarning, DeprecationWarning)):
        traced = torch.jit.trace(model, _x(), check_trace=False)
    x = _x()
    torch.testing.assert_close(traced(x), model(x))


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush to zero")
def test_tiny_numbers_are_flushed_by_all_threads_or_by_none():
    """`torch.set_flush_denormal` is a thread's own affair: the engine's threads do as their caller does."""
    layer = Recurrent("ind_rnn", 80, 200)
    with torch.no_grad():
        for one in layer.parameters():
            one.mul_(1e-18 if one.dim() == 2 else 0)
    x = 1e-20 * _x(30, 24, 80)
    layer(x)  # (the threads are there already)
    try:
        kept = layer(x)[0]
        assert torch.set_flush_denormal(True)
        flushed = layer(x)[0]
    finally:
        torch.set_flush_denormal(False)
    smallest = torch.finfo(torch.float32).tiny
    is_tiny = (kept != 0) & (kept.abs() < smallest)
    assert is_tiny.any(-1).all()  # in every row of every step
    assert not ((flushed != 0) & (flushed.abs() < smallest)).any()
    assert torch.equal(layer(x)[0], kept)


def test_the_first_run_of_a_cell_holds_nothing():
    """Tracing looks at frames; it lets them go, and with them the tensors of whoever called."""

    @unrolled.cell
    def fresh(x, h):
        h = unrolled.ops.tanh(unrolled.ops.affine(x, h))
        return h

    class Held:
        pass

    def first_run():
        held = Held()
        Recurrent(fresh, D, H)(_x())
        return weakref.ref(held)

    assert first_run()() is None
