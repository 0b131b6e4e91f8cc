"""The six proofs of a recurrent cell, from one list that every cell runs through.

    1 naive forward      the same numbers as the equation by hand, in NumPy; and as the function called directly
    2 numeric gradients  of every input, state and parameter, in float64
    3 absent state       no state is a state of zeros
    4 carried state      the second half, from the first half's states, is the second half of the whole
    5 whole = pieces     = single steps, with tolerance 0
    6 a stranger         somebody else's implementation with our weights

Always a random state that is not zero, more than one row, odd sizes, and more than one layer where it matters; and the
same noise in all that is compared, as in training: cells that have none do not ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tests.cells import naive, papers, strangers
from tests.cells import naive_shelf as shelf
from unrolled import Noise, Recurrent, cells
from unrolled.engine.direct import direct_step
from unrolled.equations import Cell

T, B, D, H = 7, 3, 5, 9
NOISE = Noise(seed=11, step=3)


@dataclass(frozen=True)
class Case:
    """A cell, its equation by hand, and a stranger who knows it."""

    cell: Cell
    naive: Callable
    stranger: Callable | None = None
    positive: tuple[str, ...] = ()  # states that are never below zero

    def __str__(self) -> str:
        return repr(self.cell)


CASES = [
    Case(cells.rnn, naive.rnn, strangers.torch_rnn),
    Case(cells.rnn(activation="relu"), naive.rnn_relu, strangers.torch_rnn_relu),
    Case(cells.rnn(bias="shared"), naive.rnn_shared, strangers.torch_rnn),
    Case(cells.lstm, naive.lstm, strangers.torch_lstm),
    Case(cells.lstm(forget_bias=1.0), naive.lstm, strangers.torch_lstm),
    Case(cells.lstm(bias="shared"), naive.lstm_shared, strangers.torch_lstm),
    Case(cells.lstm(activation="relu"), naive.lstm_relu, strangers.onnx_lstm_relu),
    Case(cells.lstm(projection=4), naive.lstm_projected, strangers.torch_lstm),
    Case(cells.gru, naive.gru, strangers.torch_gru),
    Case(cells.gru(activation="relu"), naive.gru_relu, strangers.onnx_gru_relu),
    Case(cells.gru_v3, naive.gru_v3, strangers.onnx_gru_v3),
    Case(cells.gru_v3(activation="relu"), naive.gru_v3_relu, strangers.onnx_gru_v3_relu),
]

# The rest of the shelf; few strangers know these.
CASES += [
    Case(cells.vanilla, shelf.vanilla(), strangers.onnx_vanilla),
    Case(cells.nig, shelf.vanilla(input_gate=False)),
    Case(cells.nfg, shelf.vanilla(forget_gate=False)),
    Case(cells.nog, shelf.vanilla(output_gate=False)),
    Case(cells.niaf, shelf.vanilla(g=shelf.identity)),
    Case(cells.noaf, shelf.vanilla(out=shelf.identity)),
    Case(cells.np, shelf.vanilla(peepholes=False)),
    Case(cells.cifg, shelf.vanilla(coupled=True)),
    Case(cells.fgr, shelf.fgr),
    Case(cells.mut1, shelf.mut1),
    Case(cells.mut2, shelf.mut2),
    Case(cells.mut3, shelf.mut3),
    Case(cells.layer_norm_lstm, shelf.layer_norm_lstm),
    Case(cells.layer_norm_gru, shelf.layer_norm_gru),
    Case(cells.irnn, shelf.irnn),
    Case(cells.ind_rnn, shelf.ind_rnn),
    Case(cells.min_gru, shelf.min_gru()),
    Case(cells.min_gru(positive=True), shelf.min_gru(shelf.positive)),
    Case(cells.min_lstm, shelf.min_lstm()),
    Case(cells.min_lstm(positive=True), shelf.min_lstm(shelf.positive)),
    Case(cells.sru, shelf.sru),
    Case(cells.lru, shelf.lru),
    Case(cells.rg_lru, shelf.rg_lru),
    Case(cells.slstm, shelf.slstm, positive=("n",)),
]

# Cells of the tests: the language's other words, through the same proofs.
CASES += [
    Case(papers.peephole_lstm, naive.peephole_lstm, strangers.onnx_peephole_lstm),
    Case(papers.with_read_out, naive.with_read_out),
    Case(papers.words, naive.words),
    Case(papers.noisy, naive.noisy),
    Case(cells.lstm(zoneout={"h": 0.2, "c": 0.4}, dropout={"input": 0.2, "state": 0.3}), naive.lstm_with_noise),
]


def layer_of(cell: Cell, dtype: torch.dtype, num_layers: int = 1) -> Recurrent:
    """A layer with weights of order 1."""
    layer = Recurrent(cell, D, H, num_layers, dtype=dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.5)
    return layer


def random_state(layer: Recurrent, batch: int = B, positive: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    """States that are not zero; of those in `positive`, no unit is near it."""
    dtype = next(layer.parameters()).dtype
    state = {
        one.name: torch.randn(layer.num_layers, batch, one.width.resolve(D, H), dtype=dtype)
        for one in layer.graph.states
    }
    return state | {name: state[name].abs() + 0.5 for name in positive}


def arrays_of(layer: Recurrent) -> dict[str, np.ndarray]:
    """The first layer's parameters by name."""
    return {name.removeprefix("layer0."): value.detach().numpy() for name, value in layer.named_parameters()}


def check_naive_forward(case: Case, dtype: torch.dtype, tolerance: float) -> None:
    layer = layer_of(case.cell, dtype)
    x, state = torch.randn(T, B, D, dtype=dtype), random_state(layer, positive=case.positive)
    output, final = layer(x, state, noise=NOISE)
    drawn = layer.layer0.program.draw(NOISE, 0, T, B, x)

    by_hand = [state[name][0].numpy() for name in case.cell.states]
    directly = {name: value[0] for name, value in state.items()}
    for t in range(T):
        now = [one[t] if one.dim() > 2 else one for one in drawn]
        noise = {f"noise_{slot}": one.numpy() for slot, one in enumerate(now)}
        answer_by_hand = case.naive(arrays_of(layer) | noise, x[t].numpy(), *by_hand)
        by_hand = answer_by_hand[-len(by_hand) :]  # one value more than states: the first is the output
        _close(output[t], answer_by_hand[0], tolerance)
        if not case.cell.noise:  # else it is the graph that has noise, not the function
            answer, directly = direct_step(case.cell, x[t], directly, list(layer.parameters()), H, now)
            _close(output[t], answer.detach(), tolerance)
    for name, value in zip(case.cell.states, by_hand, strict=True):
        _close(final[name][0], value, tolerance)
        if not case.cell.noise:
            _close(final[name][0], directly[name].detach(), tolerance)


def check_numeric_gradients(case: Case) -> None:
    """Per array, max |analytic - numeric| / max |analytic| <= 1e-7, with two-sided differences of 1e-5."""
    layer = layer_of(case.cell, torch.float64)
    x, state = torch.randn(4, 2, D, dtype=torch.float64), random_state(layer, 2, case.positive)
    arrays = {"x": x, **state, **dict(layer.named_parameters())}
    output, final = layer(x, state, noise=NOISE)
    weights = {name: torch.randn_like(value) for name, value in {"output": output, **final}.items()}

    def loss() -> torch.Tensor:
        output, final = layer(x, state, noise=NOISE)
        return sum((weights[name] * value).sum() for name, value in {"output": output, **final}.items())

    for array in arrays.values():
        array.requires_grad_()
    analytic = dict(zip(arrays, torch.autograd.grad(loss(), list(arrays.values())), strict=True))
    with torch.no_grad():
        for name, array in arrays.items():
            numeric = _numeric_gradient(loss, array, 1e-5)
            error = (analytic[name] - numeric).abs().max() / analytic[name].abs().max()
            assert error <= 1e-7, f"{case}: the gradient of {name} is off by {error:.1e}"


def _numeric_gradient(loss: Callable[[], torch.Tensor], array: torch.Tensor, delta: float) -> torch.Tensor:
    gradient = torch.zeros_like(array)
    flat, slopes = array.view(-1), gradient.view(-1)
    for place in range(flat.numel()):
        value = flat[place].item()
        flat[place] = value + delta
        above = loss().item()
        flat[place] = value - delta
        below = loss().item()
        flat[place] = value
        slopes[place] = (above - below) / (2 * delta)
    return gradient


def check_absent_state(case: Case) -> None:
    layer = layer_of(case.cell, torch.float64, num_layers=2)
    x = torch.randn(T, B, D, dtype=torch.float64)
    zeros = {name: torch.zeros_like(value) for name, value in random_state(layer, positive=case.positive).items()}
    _same(layer(x, noise=NOISE), layer(x, zeros, noise=NOISE))
    _same(layer.step(x[0], noise=NOISE), layer.step(x[0], zeros, noise=NOISE))
    other = random_state(layer, positive=case.positive)
    assert not torch.equal(layer(x, noise=NOISE)[0], layer(x, other, noise=NOISE)[0])


def check_carried_state(case: Case) -> None:
    layer = layer_of(case.cell, torch.float64, num_layers=2)
    x, state = torch.randn(T, B, D, dtype=torch.float64), random_state(layer, positive=case.positive)
    whole, last = layer(x, state, noise=NOISE)
    _, middle = layer(x[:3], state, noise=NOISE)
    second_half, final = layer(x[3:], middle, noise=NOISE.at(3))
    _same((second_half, final), (whole[3:], last))
    for name, value in middle.items():  # each state matters: with another one, something changes
        other = layer(x[3:], {**middle, name: value + 1}, noise=NOISE.at(3))
        assert not torch.equal(other[0], second_half), f"{case}: the state {name} is not carried"


def check_pieces(case: Case, dtype: torch.dtype) -> None:
    layer = layer_of(case.cell, dtype, num_layers=2)
    x, state = torch.randn(T, B, D, dtype=dtype), random_state(layer, positive=case.positive)
    whole = layer(x, state, noise=NOISE)
    _same(_in_pieces(layer, x, state, [1, 4, 2]), whole)
    outputs, carried = [], state
    for t in range(T):
        output, carried = layer.step(x[t], carried, NOISE.at(t))
        outputs.append(output)
    _same((torch.stack(outputs), carried), whole)
    layer.batch_first = True  # the same numbers, laid out the other way
    output, final = layer(x.transpose(0, 1).contiguous(), state, noise=NOISE)
    _same((output.transpose(0, 1), final), whole)


def _in_pieces(layer, x, state, sizes):
    outputs = []
    done = 0
    for piece in x.split(sizes):
        output, state = layer(piece, state, noise=NOISE.at(done))
        outputs.append(output)
        done += len(piece)
    return torch.cat(outputs), state


def check_stranger(case: Case) -> None:
    layer = layer_of(case.cell, torch.float32)
    x, state = torch.randn(T, B, D), random_state(layer, positive=case.positive)
    output, final = layer(x, state)
    states = [state[name][0].numpy() for name in case.cell.states]
    their_output, *their_final = case.stranger(arrays_of(layer), x.numpy(), *states)
    _close(output, their_output, 1e-5)
    for name, value in zip(case.cell.states, their_final, strict=True):
        _close(final[name][0], value, 1e-5)


def _close(got, want, tolerance: float) -> None:
    torch.testing.assert_close(got.detach(), torch.as_tensor(want), rtol=tolerance, atol=tolerance)


def _same(got, want) -> None:
    """Bit for bit: outputs and states."""
    assert torch.equal(got[0], want[0])
    assert got[1].keys() == want[1].keys()
    for name in got[1]:
        assert torch.equal(got[1][name], want[1][name]), name
