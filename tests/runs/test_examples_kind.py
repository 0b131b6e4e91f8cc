"""What all kinds of work on examples do alike: how they are measured while they learn, and told of."""

import math

import pytest
import torch

from unrolled.errors import GenerationError, RunError
from unrolled.models import FrontConfig, Translator, TranslatorConfig, WriterConfig
from unrolled.runs import KINDS
from unrolled.runs.tasks.classes_score import ClassScore
from unrolled.runs.tasks.examples import in_parts, measuring, told
from unrolled.training import ExamplesTask


@pytest.mark.parametrize("error", [RunError, GenerationError])
def test_numbers_that_are_not_finite_are_a_loss_that_is_none(error):
    def score(should_stop):
        raise error("no finite numbers")

    assert math.isnan(measuring(score, "accuracy")(lambda: False).nats)


def test_a_score_becomes_an_evaluation():
    score = ClassScore(0.5, 0.25, 0.1, 1.5, 8, "word", ("a", "b"), ((2, 2), (2, 2)))
    found = measuring(lambda _: score, "macro F1")(lambda: False)
    assert (found.nats, found.scores, found.score) == (1.5, {"accuracy": 0.5, "macro F1": 0.25}, 0.25)
    assert measuring(lambda _: None, None)(lambda: False) is None


@pytest.mark.parametrize(
    ("name", "in_use", "while_training"),
    [
        ("translate", {"beam": 5}, {"beam": 1}),
        ("caption", {"beam": 5, "temperature": None}, {"beam": 1, "temperature": None}),
        ("caption", {"temperature": 2.0}, {"beam": 1, "temperature": None}),
        ("glimpse", {"runs": 8}, {"runs": 1}),
    ],
)
def test_options_of_use_while_training(monkeypatch, name, in_use, while_training):
    """What is held out is measured, and told of, in the fastest way."""
    kind, asked = KINDS[name], []
    config = kind.config(data=("x",), **in_use)
    few = type("Few", (), {"targets": None, "inputs": None, "__len__": lambda _: 9, "pick": lambda self, _: self})()
    few.inputs = type("Inputs", (), {"lengths": torch.ones(9).numpy()})()
    monkeypatch.setattr(type(kind), "parted", lambda *_: (few, few))
    monkeypatch.setattr(type(kind), "guessing", lambda *_: 1.0)
    monkeypatch.setattr(type(kind), "prepare", lambda *_: None)
    monkeypatch.setattr(type(kind), "score", lambda _, config, *__: asked.append(config))
    monkeypatch.setattr(type(kind), "lines", lambda _, config, *__: asked.append(config))
    task = kind.task(config, None, few, torch.nn.Linear(1, 1))
    task.evaluate(lambda: False)
    kind.show(config, None, task, 1, lambda: False)
    assert len(asked) == 2
    for given in asked:
        assert {option: getattr(given, option) for option in while_training} == while_training


@pytest.mark.parametrize("error", [RunError, GenerationError])
def test_nothing_is_shown_of_numbers_that_are_not_finite(monkeypatch, error):
    kind = KINDS["caption"]

    def lines(*_):
        raise error("no finite numbers")

    task = ExamplesTask.__new__(ExamplesTask)
    task.model, task.shown = None, type("Few", (), {"__len__": lambda _: 9, "pick": lambda self, _: self})()
    monkeypatch.setattr(type(kind), "lines", lines)
    assert kind.show(kind.config(data=("x",)), None, task, 1, lambda: False) is None


def test_scheduled_sampling_trusts_itself_more_and_more():
    """k / (k + exp(step / k)), Bengio et al. 2015, section 2.4."""
    kind = KINDS["translate"]
    sizes = {"vocab_size": 3, "embedding_size": 2}
    writer = WriterConfig(**sizes, hidden_size=2)
    model = Translator(TranslatorConfig(front=FrontConfig(**sizes), writer=writer), "gru")
    prepare = kind.prepare(kind.config(data=("x",), truth_decay=20), model)
    for step in (0, 40, 100_000):
        prepare(step)
        assert model.truth == pytest.approx(20 / (20 + math.exp(min(step / 20, 700))))
    assert kind.prepare(kind.config(data=("x",)), model) is None


@pytest.mark.parametrize("count", [0, 1, 256, 257, 700])
def test_all_examples_are_told_of_in_parts(count):
    parts = list(in_parts(count))
    assert [row for part in parts for row in part] == list(range(count))
    assert all(len(part) <= 256 for part in parts)


def test_what_is_told():
    assert told("yes", "yes", is_right=True) == "  yes"
    assert told("", "yes", is_right=False) == "x \n    (is yes)"
    assert told("ja", "yes", is_right=False, source="oui") == "x oui\n    ja\n    (is yes)"
    assert told("a" * 101, "b", is_right=True, source="c" * 100) == "  " + "c" * 100 + "\n    " + "a" * 100 + "..."
