"""char-rnn's preset: its sizes, its split, its initial values, and what its script got wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unrolled import ConfigError, TextConfig, cell, cells, load
from unrolled.data import encode, found
from unrolled.ops import affine, norm, sigmoid, tanh
from unrolled.runs import preset, resume, train
from unrolled.runs.building import initialised
from unrolled.runs.tasks import text_model, text_task
from unrolled.training import Stepped
from unrolled.training.optim import rate_at

STEPS = {key: value for key, value in preset("char-rnn").items() if key != "epochs"}


def _config(**changes):
    return TextConfig(**STEPS | {"steps": 30, "samples": 0} | changes)


@pytest.mark.parametrize(("written", "count"), [(STEPS["cell"], 240_321), ("gru_v3", 182_337), ("rnn", 66_369)])
def test_parameters(written, count):
    config = _config(cell=written)
    model = initialised(config, lambda: text_model(config, 65, cells.find(written).graph))
    assert sum(one.numel() for one in model.parameters()) == count
    for name, value in model.named_parameters():
        is_forget = written == STEPS["cell"] and name.endswith("bias_i_x")
        drawn = torch.cat([value[:128], value[256:]]) if is_forget else value
        assert 0.07 < drawn.abs().max() <= 0.08
        if is_forget:
            assert (value[128:256] == 1).all()


@cell
def other_gates(x, h, c):
    """Not `lstm`: the forget gate stands last, and the cell is normalised."""
    o, i, g, f = affine(x, h, parts=4, bias_init=[None, None, None, 2.0])
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(norm(c)), c


@pytest.mark.parametrize("init", ["uniform", "normal"])
def test_what_a_cell_states_stays(init):
    """The preset's initial values take the place of defaults: a cell's own forget bias and gains are left alone."""
    config = _config(init=init, num_layers=1, hidden_size=16)
    rnn = initialised(config, lambda: text_model(config, 65, other_gates.graph)).rnn.layer0
    assert (rnn.bias_o_x[48:] == 2).all()
    assert (rnn.gain_h == 1).all()
    others = torch.cat([rnn.bias_o_x[:48], rnn.bias_o_h, rnn.bias_h])
    assert (others.abs() <= 0.08).all()
    assert bool(others.any()) == (init == "uniform")
    assert 0.02 < rnn.weight_o_x.abs().max() <= 0.08


def test_the_split():
    """446 chunks in each of 50 streams, of which 423 are learned; the last target wraps around."""
    ids = np.arange(1_115_394) % 65
    config = _config()
    task = text_task(config, initialised(config, lambda: text_model(config, 65, cells.lstm.graph)), [ids])
    (held_out,) = task.held_out
    assert (task.streams.chunks, held_out.chunks) == (423, 23)
    assert task.steps_per_epoch * 50 == 21_150
    cut = 446 * 50 * 50
    rows = ids[:cut].reshape(50, -1)
    chunk = task.streams.chunk(7)
    assert np.array_equal(chunk.ids.T, rows[:, 350:400])
    assert np.array_equal(chunk.targets.T, rows[:, 351:401])
    last = held_out.chunk(22)
    assert np.array_equal(last.ids.T, rows[:, -50:])
    assert np.array_equal(last.targets[-1], np.append(rows[1:, 0], rows[0, 0]))


def test_the_rate_falls_by_epochs():
    config = TextConfig(**preset("char-rnn"))
    rates = [rate_at(step, 21_150, config, 423) for step in range(0, 21_150, 423)]
    assert rates[:10] == [2e-3] * 10
    assert rates[10:] == pytest.approx([2e-3 * 0.97 ** (epoch - 9) for epoch in range(10, 50)], rel=1e-12)
    assert rate_at(423 * 10 - 1, 21_150, config, 423) == 2e-3


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat, and the dog sat on the log.\n" * 60)
    return path


SMALL = {"hidden_size": 6, "batch_size": 4, "seq_length": 10}


def test_states_are_carried_over_the_end_of_an_epoch(text):
    config = _config(**SMALL, data=[str(text)])
    with found([str(text)]) as places:
        encoded = encode(places, "characters", 0, "concatenated")
    model = initialised(config, lambda: text_model(config, len(encoded.vocabulary), cells.lstm.graph))
    task = text_task(config, model, encoded.texts())
    task.carried = {name: torch.randn_like(value) for name, value in task.carried.items()}
    carried = task.loss(task.steps_per_epoch)
    task.carried = {name: torch.zeros_like(value) for name, value in task.carried.items()}
    assert task.loss(task.steps_per_epoch).nats != carried.nats


def test_a_resume_keeps_the_learned_forget_bias(text, tmp_path):
    """char-rnn's script sets it back to 1 when it goes on."""
    whole = train(_config(**SMALL, data=[str(text)]), tmp_path / "whole")
    done = []
    path = train(
        _config(**SMALL, data=[str(text)]), tmp_path / "run", should_stop=lambda: len(done) > 15,
        listen=lambda event: done.append(event) if isinstance(event, Stepped) else None,
    )  # fmt: skip
    before = load(path).model.rnn.layer0.bias_i_x[6:12]
    assert not (before == 1).any()
    resume(path)
    assert torch.equal(load(path).model.rnn.layer0.bias_i_x, load(whole).model.rnn.layer0.bias_i_x)


def test_evaluation_leaves_the_training_state_alone(text, tmp_path):
    """torch-rnn's sets it to zero: the losses would differ."""
    losses = {}
    for evaluations in (1, 15):
        heard = []
        config = _config(**SMALL, data=[str(text)], evaluations=evaluations)
        train(config, tmp_path / str(evaluations), listen=heard.append)
        losses[evaluations] = [event.loss for event in heard if isinstance(event, Stepped)]
    assert losses[1] == losses[15]
    assert all(math.isfinite(loss) for loss in losses[1])


def test_what_is_no_preset():
    with pytest.raises(ConfigError, match=r"there is no preset 'charrnn': char-rnn, min-char-rnn .* Did you mean"):
        preset("charrnn")
