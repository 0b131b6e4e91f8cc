"""The loop: what it says, what it learns, when it stops; optimisers, schedule, clipping and evaluation."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from unrolled import DataError, LanguageModel, LanguageModelConfig, TrainingError
from unrolled.data import Streams, reading
from unrolled.training import (
    Evaluated,
    Evaluation,
    Finished,
    Planned,
    SampleDue,
    Stepped,
    TextTask,
    Trainer,
    TrainingConfig,
    agenda,
    mean_nats,
)
from unrolled.training import loop as loop_module
from unrolled.training import text as text_module
from unrolled.training.optim import Optimizer, clip_gradients, rate_at

IDS = np.tile(np.array([0, 1, 2, 3, 2, 1, 4, 4, 0, 2]), 120)


def _trainer(ids=IDS, model=None, **config):
    torch.manual_seed(0)
    model = model or LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=16), "gru")
    settings = {"batch_size": 4, "seq_length": 10, "steps": 40, "learning_rate": 0.02} | config
    streams = Streams.of(ids, settings["batch_size"], settings.pop("seq_length"))
    return Trainer(TextTask(model, streams, [reading(IDS[:301])]), TrainingConfig(**settings))


def _of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_it_learns_and_says_so():
    events = list(_trainer(evaluations=4, samples=3).run())
    steps, losses = _of(Stepped, events), _of(Evaluated, events)
    assert [event.step for event in steps] == list(range(1, 41))
    assert [event.step for event in losses] == [10, 20, 30, 40]
    assert losses[-1].loss < 0.5 < 1.3 < steps[0].loss < 1.9
    assert [event.step for event in _of(SampleDue, events)] == [0, 13, 40]
    assert events[1] == Planned(40)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "done"
    assert all(event.tokens_per_second > 0 and event.elapsed > 0 for event in steps)


def test_state_is_carried_along_the_streams_and_starts_anew_with_an_epoch():
    seen = []
    trainer = _trainer(steps=70)
    forward = trainer.task.model.forward
    trainer.task.model.forward = lambda ids, state=None: (
        (seen.append(state) if trainer.task.model.training else None) or forward(ids, state)
    )
    list(trainer.run())
    chunks = trainer.task.streams.chunks
    assert [number for number, state in enumerate(seen) if not state["h"].any()] == [0, chunks, 2 * chunks]
    assert all(not value.requires_grad for state in seen for value in state.values())


def _next_weights(optimizer, weight, gradient, memory, step, rate):
    """One update from the papers' equations; `memory` are the running sums of earlier steps."""
    if optimizer == "adamw":
        decay = 0.1 if weight.dim() > 1 else 0.0
        memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * gradient
        memory["v"] = 0.99 * memory.get("v", 0) + 0.01 * gradient**2
        m, v = memory["m"] / (1 - 0.9**step), memory["v"] / (1 - 0.99**step)
        return weight * (1 - rate * decay) - rate * m / (v.sqrt() + 1e-8)
    if optimizer == "rmsprop":
        memory["v"] = 0.95 * memory.get("v", 0) + 0.05 * gradient**2
        return weight - rate * gradient / (memory["v"].sqrt() + 1e-8)
    memory["v"] = memory.get("v", 0) + gradient**2
    return weight - rate * gradient / (memory["v"] + 1e-8).sqrt()  # the gist's: inside the root


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "adagrad"])
@pytest.mark.parametrize(("loss_reduction", "clip", "grad_clip"), [("mean", "norm", 0.3), ("sum", "value", 0.2)])
def test_the_loop_by_hand(optimizer, loss_reduction, clip, grad_clip):
    """Every step over the end of an epoch, redone from the equations: states, loss, clipping, rate, update."""
    config = {"warmup": 3, "decay": 0.3, "steps": 35, "weight_decay": 0.1, "samples": 0}
    exact = LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=16), "gru").double()
    trainer = _trainer(
        model=exact, optimizer=optimizer, loss_reduction=loss_reduction, clip_mode=clip, grad_clip=grad_clip, **config
    )  # fmt: skip
    model = copy.deepcopy(trainer.task.model)
    list(trainer.run())

    memories = {name: {} for name, _ in model.named_parameters()}
    state = None
    for step in range(35):
        chunk = trainer.task.streams.chunk(step)
        state = None if chunk.starts.all() else {name: value.detach() for name, value in state.items()}
        logits, state = model(chunk.ids, state)
        loss = -logits.log_softmax(-1).gather(-1, chunk.targets.unsqueeze(-1)).mean()
        loss = loss * (10 if loss_reduction == "sum" else 1)
        parameters = dict(model.named_parameters())
        gradients = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
        norm = torch.cat([one.flatten() for one in gradients.values()]).norm()
        rate = 0.02 * (min(1, (step + 1) / 3) if step < 3 else min(1, (35 - step) / 12))
        with torch.no_grad():
            for name, gradient in gradients.items():
                cut = gradient.clamp(-grad_clip, grad_clip)
                clipped = cut if clip == "value" else gradient * min(1, grad_clip / (norm + 1e-6))
                new = _next_weights(optimizer, parameters[name], clipped, memories[name], step + 1, rate)
                parameters[name].copy_(new)
    for (name, value), mine in zip(trainer.task.model.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(value, mine, rtol=1e-9, atol=1e-11, msg=lambda text, name=name: f"{name}: {text}")
    assert trainer.task.carried.keys() == state.keys()
    torch.testing.assert_close(trainer.task.carried["h"], state["h"].detach(), rtol=1e-9, atol=1e-11)


def test_a_stopped_trainer_goes_on():
    straight = _trainer(evaluations=4, samples=4)
    whole = list(straight.run())
    broken = _trainer(evaluations=4, samples=4)
    first = list(broken.run(lambda: broken.progress.step == 17))
    second = list(broken.run())
    assert first[-1].reason == "interrupted"
    assert all(map(torch.equal, straight.task.model.parameters(), broken.task.model.parameters()))
    for kind in (Evaluated, SampleDue):
        assert [event.step for event in _of(kind, [*first, *second])] == [event.step for event in _of(kind, whole)]


class FakeTime:
    """A clock that is moved by hand. A step takes `step` seconds."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.step = 0.0
        monkeypatch.setattr(loop_module.time, "monotonic", lambda: self.now)


def _slow(monkeypatch, trainer, time, step=0.0, evaluation=0.0):
    """Let every step and every evaluation take so many seconds."""
    forward, read = trainer.task.model.forward, text_module.mean_nats
    time.step = step

    def slow_forward(ids, state=None):
        time.now += time.step if trainer.task.model.training else 0.0
        return forward(ids, state)

    def slow_evaluate(*arguments):
        time.now += evaluation
        return read(*arguments)

    trainer.task.model.forward = slow_forward
    monkeypatch.setattr(text_module, "mean_nats", slow_evaluate)


def test_epochs_become_steps():
    trainer = _trainer(steps=None, epochs=1.5)
    assert trainer.progress.total == math.ceil(1.5 * trainer.task.streams.chunks)


@pytest.mark.parametrize(("evaluation", "evaluations"), [(0.5, 6), (6.0, 2), (100.0, 1)])
def test_minutes_become_steps(monkeypatch, evaluation, evaluations):
    """A minute of steps of 0.1 seconds; evaluations take a fifth of it at most, or come after it."""
    time = FakeTime(monkeypatch)
    trainer = _trainer(steps=None, minutes=1.0, samples=0)
    _slow(monkeypatch, trainer, time, 0.1, evaluation)
    events = list(trainer.run())
    planned = _of(Planned, events)[0].total
    reading = evaluation * evaluations if evaluation < 12 else 0
    assert planned == pytest.approx((0.97 * 60 - reading) / 0.1, abs=2)
    assert events[-1].step == planned
    assert events[-1].reason == "done"
    assert len(_of(Evaluated, events)) == 1 + evaluations, "one before the time begins"
    assert _of(Evaluated, events)[-1].step == planned


@pytest.mark.parametrize("slower", [0.05, 0.2])
def test_half_way_the_number_of_steps_is_set_right(monkeypatch, slower):
    """A plan is made by the first seconds, in which the machine may be busier, or less busy, than later."""
    time = FakeTime(monkeypatch)
    trainer = _trainer(steps=None, minutes=1.0, samples=0)
    _slow(monkeypatch, trainer, time, 0.1, 0.5)
    events = []
    for event in trainer.run():
        events.append(event)
        if isinstance(event, Planned):
            time.step = slower
    assert len(_of(Planned, events)) == 2
    assert events[-1].reason == "done"
    assert events[-1].step == _of(Planned, events)[1].total
    assert events[-1].elapsed == pytest.approx(0.97 * 60, abs=1.0)
    assert 6 <= len(_of(Evaluated, events)) <= 7, "two may fall together"
    rates = [event.learning_rate for event in _of(Stepped, events)]
    assert rates[: len(rates) // 2] == sorted(rates[: len(rates) // 2]), "nothing fell before it was set right"


def test_a_rate_that_falls_already_is_left_alone(monkeypatch):
    time = FakeTime(monkeypatch)
    trainer = _trainer(steps=None, minutes=1.0, samples=0, decay=1.0)
    _slow(monkeypatch, trainer, time, 0.1)
    assert len(_of(Planned, list(trainer.run()))) == 1


def test_patience(monkeypatch):
    """The third of six evaluations is the best: two more do not reach it, and training is over."""
    losses = iter([5.0, 4.0, 3.0, 3.5, 3.1, 1.0])
    trainer = _trainer(steps=60, evaluations=6, patience=2, samples=0)
    monkeypatch.setattr(type(trainer.task), "evaluate", lambda task, should_stop: Evaluation(next(losses)))
    events = list(trainer.run())
    assert (events[-1].step, events[-1].reason) == (50, "patience")
    assert trainer.progress.best.step == 30
    assert trainer.is_done()


def test_samples_are_due_before_the_steps_are_known(monkeypatch):
    time = FakeTime(monkeypatch)
    trainer = _trainer(steps=None, minutes=1.0, samples=6)
    _slow(monkeypatch, trainer, time, 0.1)
    due = [event.step for event in _of(SampleDue, list(trainer.run()))]
    assert due[0] == 0
    assert due[1:3] == pytest.approx([6, 19], abs=1), "1 % and 3.2 % of the time"
    assert len(due) == 6


def test_the_time_limit_holds_when_steps_become_slow(monkeypatch):
    time = FakeTime(monkeypatch)
    trainer = _trainer(steps=None, minutes=1.0, samples=0)
    _slow(monkeypatch, trainer, time, 0.1)
    for event in trainer.run():
        if isinstance(event, Planned):
            time.step = 5.0
    assert event.reason == "time"
    assert 66 < event.elapsed < 66 + 5.2


def test_one_sample_is_the_last():
    assert [event.step for event in _of(SampleDue, list(_trainer(samples=1).run()))] == [40]
    assert not _of(SampleDue, list(_trainer(samples=0).run()))


def test_it_stops_when_told():
    trainer = _trainer()
    events = list(trainer.run(lambda: trainer.progress.step == 3))
    assert events[-1].reason == "interrupted"
    assert trainer.progress.step == events[-1].step == 3


@pytest.mark.parametrize(("clip", "advice"), [(1.0, "a smaller --grad-clip"), (0.0, "clip gradients, --grad-clip 1")])
def test_a_loss_that_is_no_number_stops_before_the_update(clip, advice):
    trainer = _trainer(grad_clip=clip)
    trainer._update()
    good = {name: value.detach().clone() for name, value in trainer.task.model.named_parameters()}
    forward = trainer.task.model.forward
    trainer.task.model.forward = lambda ids, state=None: (forward(ids, state)[0] * math.nan, state)
    with pytest.raises(TrainingError, match="training stopped in step 2: .*not finite.*Try a smaller.*" + advice):
        list(trainer.run())
    assert all(torch.equal(value, good[name]) for name, value in trainer.task.model.named_parameters())


def test_a_gradient_that_is_no_number_stops_before_the_update():
    trainer = _trainer()
    trainer.task.model.read_out.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingError, match="step 1: the gradient of read_out.weight: not finite"):
        list(trainer.run())
    assert all(value.isfinite().all() for value in trainer.task.model.parameters())


def test_an_explosion_stops_training():
    trainer = _trainer(learning_rate=1000.0, warmup=0, grad_clip=0.0)
    with pytest.raises(TrainingError, match=r"step \d+: the loss exploded, from 1\.\d+ to \d+"):
        list(trainer.run())


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "adagrad"])
def test_every_optimizer_learns(optimizer):
    events = list(_trainer(optimizer=optimizer, learning_rate=0.05 if optimizer == "adagrad" else 0.01).run())
    assert _of(Evaluated, events)[-1].loss < 1.2


def test_only_matrices_decay():
    model = LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=4), "gru")
    decaying, others = Optimizer(TrainingConfig(weight_decay=0.3), model)._torch.param_groups
    assert decaying["weight_decay"] == 0.3
    assert others["weight_decay"] == 0
    assert {one.dim() for one in decaying["params"]} == {2}
    assert {one.dim() for one in others["params"]} == {1}


def test_the_learning_rate_rises_stays_and_falls():
    config = TrainingConfig(learning_rate=1.0, warmup=10, decay=0.2)
    rates = [rate_at(step, 100, config) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:80] == [1.0] * 70
    assert rates[80:] == pytest.approx([(20 - step) / 21 for step in range(20)])
    assert [rate_at(step, None, config) for step in range(50)] == rates[:50], "as if it knew how many steps follow"
    assert rate_at(0, 20, config) == 0.5, "at most a tenth of the steps"
    flat = TrainingConfig(learning_rate=1.0, warmup=0, decay=0.0)
    assert [rate_at(step, total, flat) for step in (0, 9) for total in (10, None)] == [1.0] * 4


def test_clipping_by_norm_keeps_the_direction():
    parameters = [torch.nn.Parameter(torch.zeros(3, 2).double()), torch.nn.Parameter(torch.zeros(4).double())]
    gradients = [torch.randn_like(one) for one in parameters]
    for one, gradient in zip(parameters, gradients, strict=True):
        one.grad = gradient.clone()
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    norm = clip_gradients(parameters, TrainingConfig(grad_clip=0.5))
    clipped = torch.cat([one.grad.flatten() for one in parameters])
    assert norm == pytest.approx(float(whole.norm()))
    assert float(clipped.norm()) == pytest.approx(0.5, rel=1e-5)
    torch.testing.assert_close(clipped / clipped.norm(), whole / whole.norm())
    clip_gradients(parameters, TrainingConfig(grad_clip=5.0))
    assert torch.equal(torch.cat([one.grad.flatten() for one in parameters]), clipped), "a small one is left alone"


def test_clipping_by_value_cuts_each_element():
    one = torch.nn.Parameter(torch.zeros(5))
    one.grad = torch.tensor([-9.0, -0.1, 0.0, 0.1, 9.0])
    clip_gradients([one], TrainingConfig(grad_clip=0.5, clip_mode="value"))
    assert one.grad.tolist() == pytest.approx([-0.5, -0.1, 0, 0.1, 0.5])


def test_evaluation_is_the_mean_over_every_symbol():
    """Against one pass over the whole text as a single stream; and it leaves everything as it was."""
    model = LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=16, dropout=0.5), "lstm").train()
    ids = np.random.default_rng(0).integers(0, 5, 2_345)
    text = torch.from_numpy(ids).unsqueeze(1)
    loss = mean_nats(model, [reading(ids)])
    assert model.training
    logits, _ = model.eval()(text[:-1])
    want = torch.nn.functional.cross_entropy(logits.squeeze(1), text[1:, 0])
    assert loss == pytest.approx(want.item(), rel=1e-5)
    with pytest.raises(DataError, match="a text of 1 symbols has none to predict"):
        reading(ids[:1])


def test_evaluation_does_not_touch_the_training_state():
    def weights(evaluations):
        trainer = _trainer(evaluations=evaluations, samples=0)
        list(trainer.run())
        return list(trainer.task.model.parameters())

    assert all(map(torch.equal, weights(1), weights(40)))


def test_a_long_text_is_evaluated_in_streams():
    model = LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=8), "rnn")
    ids = np.tile(IDS, 5)[:5_999]
    assert mean_nats(model, [reading(ids)]) == pytest.approx(mean_nats(model, [reading(ids[:3000])]), rel=1e-2)


@pytest.mark.parametrize(
    "options",
    [{"steps": 1, "minutes": 1.0}, {"steps": 0}, {"warmup": -1}, {"learning_rate": 0}, {"x": 1}],
)
def test_a_configuration_is_checked(options):
    with pytest.raises(ValidationError):
        TrainingConfig(**options)


def test_the_shares_of_samples_end_with_the_last_step():
    assert agenda._early(5) == pytest.approx([1, 0.3162, 0.1, 0.0316], rel=1e-3)
