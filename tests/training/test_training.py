"""The loop: what it says, what it learns, when it stops; optimisers, schedule, clipping and evaluation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from unrolled import DataError, LanguageModel, LanguageModelConfig, Trainer, TrainingConfig, TrainingError
from unrolled.training import Evaluated, Finished, Planned, SampleDue, Stepped, evaluate
from unrolled.training import loop as loop_module
from unrolled.training.optim import clip_gradients, make_optimizer, rate_at

IDS = np.tile(np.array([0, 1, 2, 3, 2, 1, 4, 4, 0, 2]), 120)


def _trainer(ids=IDS, model=None, **config):
    torch.manual_seed(0)
    model = model or LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=16), "gru")
    settings = {"batch_size": 4, "seq_length": 10, "steps": 40, "learning_rate": 0.02} | config
    return Trainer(model, ids, IDS[:301], TrainingConfig(**settings))


def _of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_it_learns_and_says_so():
    events = list(_trainer(evaluations=4, samples=3).run())
    steps, losses = _of(Stepped, events), _of(Evaluated, events)
    assert [event.step for event in steps] == list(range(1, 41))
    assert [event.step for event in losses] == [10, 20, 30, 40]
    assert losses[-1].loss < 0.5 < 1.3 < steps[0].loss < 1.9
    assert [event.step for event in _of(SampleDue, events)] == [0, 13, 40]
    assert events[0] == Planned(40)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "done"
    assert all(event.tokens_per_second > 0 and event.elapsed > 0 for event in steps)


def test_state_is_carried_along_the_streams_and_starts_anew_with_an_epoch():
    seen = []
    trainer = _trainer(steps=70)
    forward = trainer.model.forward
    trainer.model.forward = lambda ids, state=None: (
        (seen.append(state) if trainer.model.training else None) or forward(ids, state)
    )
    list(trainer.run())
    chunks = trainer.streams.chunks
    assert [number for number, state in enumerate(seen) if state is None] == [0, chunks, 2 * chunks]
    assert all(not value.requires_grad for state in seen if state for value in state.values())


def test_one_update_by_hand():
    """AdamW's first step with clipping, computed from the equations."""
    trainer = _trainer(weight_decay=0.1, warmup=0.0, decay=0.0, grad_clip=0.01)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    chunk = trainer.streams.chunk(0)
    logits, _ = trainer.model(chunk.ids)
    loss = -logits.log_softmax(-1).gather(-1, chunk.targets.unsqueeze(-1)).mean()
    gradients = torch.autograd.grad(loss, list(trainer.model.parameters()))
    norm = math.sqrt(sum(float(one.square().sum()) for one in gradients))
    stepped = _of(Stepped, [trainer._update()])[0]
    assert stepped.loss == pytest.approx(loss.item())
    assert stepped.grad_norm == pytest.approx(norm, rel=1e-5)
    for (name, value), gradient in zip(trainer.model.named_parameters(), gradients, strict=True):
        clipped = gradient * 0.01 / norm
        kept = before[name] * (1 - 0.02 * 0.1) if value.dim() > 1 else before[name]
        want = kept - 0.02 * clipped / (clipped.abs() + 1e-8)
        torch.testing.assert_close(value.detach(), want, rtol=1e-4, atol=1e-6)


def test_epochs_and_minutes_become_steps():
    trainer = _trainer(steps=None, epochs=1.5)
    assert trainer.total == math.ceil(1.5 * trainer.streams.chunks)
    events = list(_trainer(steps=None, minutes=0.02).run())
    planned = _of(Planned, events)[0].total
    assert 20 < planned
    assert events[-1].step <= planned
    assert events[-1].elapsed < 3
    assert _of(Evaluated, events)[-1].step == events[-1].step


def test_samples_are_due_before_the_steps_are_known():
    events = list(_trainer(steps=None, minutes=0.03, samples=7).run())
    planned = next(place for place, event in enumerate(events) if isinstance(event, Planned))
    before = [event for event in events[:planned] if isinstance(event, SampleDue)]
    assert before[0].step == 0 < before[1].step
    assert len(_of(SampleDue, events)) >= 5


def test_the_time_limit_holds_when_steps_become_slow(monkeypatch):
    trainer = _trainer(steps=None, minutes=0.01)
    monkeypatch.setattr(trainer, "_steps_in_time", lambda: 10**9)
    events = list(trainer.run())
    assert events[-1].reason == "time"
    assert events[-1].elapsed < 3
    assert isinstance(events[-2], Evaluated)


def test_it_stops_when_told():
    asked = iter([False, False, False, True])
    trainer = _trainer()
    events = list(trainer.run(lambda: next(asked)))
    assert events[-1].reason == "interrupted"
    assert trainer.step == events[-1].step == 3


def test_a_loss_that_is_no_number_stops_before_the_update():
    trainer = _trainer()
    trainer._update()
    good = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    forward = trainer.model.forward
    trainer.model.forward = lambda ids, state=None: (forward(ids, state)[0] * math.nan, state)
    with pytest.raises(
        TrainingError, match="training stopped in step 2: the loss is not a finite number. Try a smaller"
    ):
        list(trainer.run())
    assert all(torch.equal(value, good[name]) for name, value in trainer.model.named_parameters())


def test_a_gradient_that_is_no_number_stops_before_the_update():
    trainer = _trainer()
    trainer.model.read_out.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingError, match="step 1: the gradient is not a finite number"):
        list(trainer.run())
    assert all(value.isfinite().all() for value in trainer.model.parameters())


def test_an_explosion_stops_training():
    trainer = _trainer(learning_rate=1000.0, warmup=0.0, grad_clip=0.0)
    with pytest.raises(TrainingError, match=r"step \d+: the loss exploded, from 1\.\d+ to \d+"):
        list(trainer.run())


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "adagrad"])
def test_every_optimizer_learns(optimizer):
    events = list(_trainer(optimizer=optimizer, learning_rate=0.05 if optimizer == "adagrad" else 0.01).run())
    assert _of(Evaluated, events)[-1].loss < 1.2


def test_only_matrices_decay():
    model = LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=4), "gru")
    decaying, others = make_optimizer(TrainingConfig(weight_decay=0.3), model.parameters()).param_groups
    assert decaying["weight_decay"] == 0.3
    assert others["weight_decay"] == 0
    assert {one.dim() for one in decaying["params"]} == {2}
    assert {one.dim() for one in others["params"]} == {1}


def test_the_learning_rate_rises_stays_and_falls():
    config = TrainingConfig(learning_rate=1.0, warmup=0.1, decay=0.2)
    rates = [rate_at(step, 100, config) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:80] == [1.0] * 70
    assert rates[80:] == pytest.approx([(20 - step) / 21 for step in range(20)])
    assert all(rate > 0 for rate in rates)
    assert rate_at(0, None, config) == 1 / 50
    flat = TrainingConfig(learning_rate=1.0, warmup=0.0, decay=0.0)
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
    clip_gradients([one], TrainingConfig(grad_clip=0.5, clip="value"))
    assert one.grad.tolist() == pytest.approx([-0.5, -0.1, 0, 0.1, 0.5])


def test_evaluation_is_the_mean_over_every_symbol():
    """Against one pass over the whole text as a single stream; and it leaves everything as it was."""
    model = LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=16, dropout=0.5), "lstm").train()
    ids = np.random.default_rng(0).integers(0, 5, 2_345)
    text = torch.from_numpy(ids).unsqueeze(1)
    loss = evaluate(model, ids)
    assert model.training
    logits, _ = model.eval()(text[:-1])
    want = torch.nn.functional.cross_entropy(logits.squeeze(1), text[1:, 0])
    assert loss == pytest.approx(want.item(), rel=1e-5)
    with pytest.raises(DataError, match="a text of 1 symbols has none to predict"):
        evaluate(model, ids[:1])


def test_evaluation_does_not_touch_the_training_state():
    def weights(evaluations):
        trainer = _trainer(evaluations=evaluations, samples=0)
        list(trainer.run())
        return list(trainer.model.parameters())

    assert all(map(torch.equal, weights(1), weights(40)))


def test_a_long_text_is_evaluated_in_streams():
    model = LanguageModel(LanguageModelConfig(vocab_size=5, hidden_size=8), "rnn")
    ids = np.tile(IDS, 5)[:5_999]
    assert evaluate(model, ids) == pytest.approx(evaluate(model, ids[:3000]), rel=1e-2)


@pytest.mark.parametrize(
    "options",
    [{"steps": 1, "minutes": 1.0}, {"steps": 0}, {"warmup": 0.7, "decay": 0.7}, {"learning_rate": 0}, {"x": 1}],
)
def test_a_configuration_is_checked(options):
    with pytest.raises(ValidationError):
        TrainingConfig(**options)


def test_the_shares_of_samples_end_with_the_last_step():
    assert loop_module._early(5) == pytest.approx([0.0316, 0.1, 0.3162, 1], rel=1e-3)
    assert loop_module._even(4) == [0.25, 0.5, 0.75, 1.0]
