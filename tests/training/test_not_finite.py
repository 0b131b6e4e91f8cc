"""NaN and infinity, put everywhere: training stops before the update and says where they came from."""

from __future__ import annotations

import math

import pytest
import torch

from unrolled import TextConfig, TrainingError, load
from unrolled.runs import resume, train
from unrolled.runs.folder import RunFolder
from unrolled.training import Evaluated, Stepped, loop

TEXT = "the cat sat on the mat, and the dog sat on the log.\n" * 9
OPTIONS = {
    "cell": "lstm", "hidden_size": 5, "embedding_size": 3, "num_layers": 2, "batch_size": 2, "seq_length": 6,
    "steps": 20, "evaluations": 5, "samples": 0,
}  # fmt: skip
WHEN = 10  # the step after which something breaks; it was evaluated and saved after 8


def _weight(name):
    def put(trainer, value):
        trainer.task.model.get_parameter(name).data.view(-1)[1] = value

    return put


def _carried(name):
    def put(trainer, value):
        trainer.task.carried[name].view(-1)[-1] = value

    return put


def _remembered(name):
    def put(trainer, value):
        trainer.optimizer.tensors()[name].view(-1)[0] = value

    return put


def _gradient(name):
    def put(trainer, value):
        parameter = trainer.task.model.get_parameter(name)
        parameter.register_hook(lambda gradient: torch.full_like(gradient, value))

    return put


def _loss(trainer, value):
    real = trainer.task.loss

    def broken(step):
        made = real(step)
        return type(made)(made.nats * 0 + value, made.steps, made.tokens, made.after)

    trainer.task.loss = broken


def _new_state(name):
    def put(trainer, value):
        real = trainer.task.loss

        def broken(step):
            made = real(step)
            return type(made)(made.nats, made.steps, made.tokens, made.after | {name: made.after[name] + value})

        trainer.task.loss = broken

    return put


def _output_of(name, at):
    """The output of a part of the model, from a time step on."""

    def put(trainer, value):
        def hook(_, __, output):
            first = output[0] if isinstance(output, tuple) else output
            if len(first) > at and trainer.task.model.training:
                broken = first.clone()
                broken[at:] = value
                return (broken, *output[1:]) if isinstance(output, tuple) else broken
            return None

        trainer.task.model.get_submodule(name).register_forward_hook(hook)

    return put


PLACES = {
    "an embedding": (_weight("embedding.weight"), "the weights embedding.weight: not finite"),
    "a matrix": (_weight("rnn.layer0.weight_i_x"), "the weights rnn.layer0.weight_i_x: not finite"),
    "a recurrent matrix": (_weight("rnn.layer1.weight_i_h"), "the weights rnn.layer1.weight_i_h: not finite"),
    "the second layer's matrix": (_weight("rnn.layer1.weight_i_x"), "the weights rnn.layer1.weight_i_x: not finite"),
    "a bias": (_weight("rnn.layer1.bias_i_x"), "the weights rnn.layer1.bias_i_x: not finite"),
    "the read-out": (_weight("read_out.weight"), "the weights read_out.weight: not finite"),
    "the read-out's bias": (_weight("read_out.bias"), "the weights read_out.bias: not finite"),
    "h": (_carried("h"), "the carried state h: not finite"),
    "c": (_carried("c"), "the carried state c: not finite"),
    "a first moment": (_remembered("read_out.bias.exp_avg"), "the optimiser's read_out.bias.exp_avg: not finite"),
    "a second moment": (
        _remembered("rnn.layer0.bias_i_x.exp_avg_sq"),
        "the optimiser's rnn.layer0.bias_i_x.exp_avg_sq: not finite",
    ),
    "the first moment of a recurrent matrix": (
        _remembered("rnn.layer1.weight_i_h.exp_avg"),
        "the optimiser's rnn.layer1.weight_i_h.exp_avg: not finite",
    ),
    "the second moment of an embedding": (
        _remembered("embedding.weight.exp_avg_sq"),
        "the optimiser's embedding.weight.exp_avg_sq: not finite",
    ),
    "an embedding's gradient": (_gradient("embedding.weight"), "the gradient of embedding.weight: not finite"),
    "the read-out's gradient": (_gradient("read_out.bias"), "the gradient of read_out.bias: not finite"),
    "a bias's gradient": (_gradient("rnn.layer1.bias_i_h"), "the gradient of rnn.layer1.bias_i_h: not finite"),
    "a gradient": (_gradient("rnn.layer0.weight_i_h"), "the gradient of rnn.layer0.weight_i_h: not finite"),
    "the loss": (_loss, "the loss is not a finite number"),
    "the new h": (_new_state("h"), "the new state h: not finite"),
    "the new c": (_new_state("c"), "the new state c: not finite"),
    "the embedding's output": (
        _output_of("embedding", 0),
        "the output of embedding is not finite from time step 0 of 6 on",
    ),
    "a layer's output at once": (_output_of("rnn", 0), "the output of rnn is not finite from time step 0 of 6 on"),
    "a layer's output": (_output_of("rnn", 3), "the output of rnn is not finite from time step 3 of 6 on"),
    "the logits": (_output_of("read_out", 5), "the output of read_out is not finite from time step 5 of 6 on"),
}
CASES = [(place, value) for place in PLACES for value in (math.nan, math.inf)]


@pytest.fixture
def broken(monkeypatch):
    """Training in which something is put into the trainer after `WHEN` steps."""

    def made(place, value):
        real = loop.Trainer._update

        def update(self):
            if self.progress.step == WHEN:
                PLACES[place][0](self, value)
            return real(self)

        monkeypatch.setattr(loop.Trainer, "_update", update)

    return made


def test_there_are_enough():
    assert len(PLACES) >= 24


@pytest.mark.parametrize(("place", "value"), CASES, ids=str)
def test_training_stops_and_says_where(tmp_path, monkeypatch, broken, place, value):
    (tmp_path / "text.txt").write_text(TEXT)
    config = TextConfig(**OPTIONS, data=[str(tmp_path / "text.txt")])
    whole = train(config, tmp_path / "whole")
    broken(place, value)
    events = []
    with pytest.raises(TrainingError) as stopped:
        train(config, tmp_path / "run", listen=events.append)
    assert PLACES[place][1] in str(stopped.value)
    assert f"training stopped in step {WHEN + 1}" in str(stopped.value)
    steps = [event.step for event in events if isinstance(event, Stepped)]
    assert steps[-1] == WHEN, "the update was not made"

    folder = RunFolder.at(tmp_path / "run")
    checkpoint = folder.checkpoints.weights(folder.identity().expected())
    assert checkpoint.standing.progress.step in (8, WHEN)  # what broke may lie in what a checkpoint holds
    assert all(one.isfinite().all() for one in checkpoint.weights.values())
    losses = {event.step: event.loss for event in events if isinstance(event, Evaluated)}
    assert checkpoint.standing.progress.best.loss == min(losses.values())
    assert load(tmp_path / "run", best=True).warnings == ()

    monkeypatch.undo()
    resume(tmp_path / "run")
    newest = [max((path / "checkpoints").iterdir()) / "model.safetensors" for path in (whole, tmp_path / "run")]
    assert newest[0].read_bytes() == newest[1].read_bytes()


def test_a_loss_on_held_out_text_that_is_no_number(tmp_path, monkeypatch):
    """The weights are still finite: the run stops, and no such checkpoint is the best."""
    from unrolled.training import text as text_module

    (tmp_path / "text.txt").write_text(TEXT)
    config = TextConfig(**OPTIONS, data=[str(tmp_path / "text.txt")])
    real, heard = text_module.mean_nats, []
    monkeypatch.setattr(
        text_module,
        "mean_nats",
        lambda *arguments: heard.append(0) or (math.nan if len(heard) == 3 else real(*arguments)),
    )
    with pytest.raises(TrainingError, match="training stopped after step 12: the loss on what is held out is nan"):
        train(config, tmp_path / "run")
    folder = RunFolder.at(tmp_path / "run")
    standing = folder.checkpoints.weights(folder.identity().expected()).standing
    assert standing.progress.best.step in (4, 8)
