"""What is minimised, where it is not what is told: a number that a learner gives beside its nats."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unrolled import TrainingError
from unrolled.data import Examples, Ragged
from unrolled.training import ExamplesTask, Stepped, Trainer, TrainingConfig


class Learner(nn.Module):
    """Logits of three classes from two numbers; `weight` times the sum of the squares of one of its parts is beside."""

    def __init__(self, weight=None):
        super().__init__()
        self.weight = weight
        self.read_out = nn.Linear(2, 3)
        self.choice = nn.Parameter(torch.tensor([0.5, -1.5]))

    def losses(self, inputs, lengths, targets):
        nats = F.cross_entropy(self.read_out(inputs[0] * self.choice.detach()), targets[0], reduction="none")
        return nats if self.weight is None else (nats, self.weight * self.choice.square().sum())


def _trainer(weight, weights=None, **options):
    torch.manual_seed(3)
    numbers = np.random.default_rng(0)
    inputs = Ragged.of(numbers.normal(size=(1, 2)).astype(np.float32) for _ in range(7))
    examples = Examples(inputs, Ragged.of(np.array([row % 3], dtype=np.int32) for row in range(7)))
    task = ExamplesTask(
        Learner(weight), examples, None, 7, seed=1, loss_of_guessing=1.1, measure=lambda _: None, weights=weights
    )
    return Trainer(task, TrainingConfig(steps=3, samples=0, warmup=0, grad_clip=0, **options))


def _steps(trainer):
    return [event for event in trainer.run() if isinstance(event, Stepped)]


def test_what_stands_beside_is_minimised_and_not_told():
    plain, beside = _trainer(None), _trainer(100.0)
    alone = copy.deepcopy(plain.task.model)
    assert _steps(beside)[0].loss == _steps(plain)[0].loss
    moved = {name: not torch.equal(value, dict(alone.named_parameters())[name])
             for name, value in beside.task.model.named_parameters()}  # fmt: skip
    assert moved == {"choice": True, "read_out.weight": True, "read_out.bias": True}
    assert torch.equal(plain.task.model.choice, alone.choice)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.25, 2.0])])
def test_the_objective_is_the_mean_and_what_stands_beside_it(weights):
    made = _trainer(0.7, weights).task.loss(0)
    assert (made.minimised - made.nats).item() == pytest.approx(0.7 * 2.5, abs=1e-5)  # (classes' weights are the nats')
    assert made.minimised is made.objective
    alone = _trainer(None, weights).task.loss(0)
    assert alone.objective is None
    assert alone.minimised is alone.nats
    assert alone.nats.item() == made.nats.item()


def test_a_number_beside_that_is_none_stops_before_the_update():
    trainer = _trainer(math.nan)
    before = copy.deepcopy(trainer.task.model.state_dict())
    with pytest.raises(TrainingError, match="step 1: the gradient of choice: not finite"):
        list(trainer.run())
    assert all(torch.equal(value, before[name]) for name, value in trainer.task.model.state_dict().items())


def test_a_large_number_beside_is_no_explosion():
    assert len(_steps(_trainer(1e9))) == 3  # (max_loss_ratio is of what is told)


def test_running_means_are_as_before_the_step_that_failed():
    class Normal(Learner):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def losses(self, inputs, lengths, targets):
            self.asked = getattr(self, "asked", 0) + 1
            given = self.norm(inputs[0]) + (math.nan if self.asked == 2 else 0.0)
            if self.asked == 2:
                self.norm(inputs[0] * math.nan)
            return F.cross_entropy(self.read_out(given), targets[0], reduction="none")

    trainer = _trainer(None)
    trainer.task.model = Normal()
    trainer = Trainer(trainer.task, trainer.config)
    seen = []
    with pytest.raises(TrainingError, match="step 2"):
        for event in trainer.run():
            if isinstance(event, Stepped):
                seen.append({name: one.clone() for name, one in trainer.task.model.named_buffers()})
    assert len(seen) == 1
    assert all(torch.equal(one, seen[0][name]) for name, one in trainer.task.model.named_buffers())
    assert trainer.is_sound()
    trainer.task.model.norm.running_var.fill_(math.nan)
    assert not trainer.is_sound()
