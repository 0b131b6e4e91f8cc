"""The example by hand: its gradients, and the library's preset, which follows it step by step."""

from __future__ import annotations

import math
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from benchmarks import min_char_rnn as comparison
from unrolled import TextConfig, cells
from unrolled.runs import preset
from unrolled.runs.building import initialised
from unrolled.runs.tasks import text_model

PATH = Path(__file__).parents[2] / "examples" / "min_char_rnn.py"
TEXT = "When the hand that wrote the rule had gone, the rule went on to write the hand. " * 12


@pytest.fixture(scope="module")
def example():
    return comparison.script()


def _ids(text):
    alphabet = sorted(set(text))
    return np.array([alphabet.index(one) for one in text]), len(alphabet)


def test_its_gradients(example):
    ids, size = _ids(TEXT)
    random = np.random.default_rng(3)
    parameters = example.initial_parameters(100, size, random, scale=0.1)
    errors = example.gradient_check(parameters, ids[:25], ids[1:26], random)
    assert set(errors) == set(comparison.WHERE)
    assert max(errors.values()) <= 1e-7


def test_the_check_finds_a_wrong_gradient(example, monkeypatch):
    right = example.loss_and_gradients

    def wrong(*arguments):
        loss, gradients, h = right(*arguments)
        return loss, gradients | {"W_hh": gradients["W_hh"] * 1.001}, h

    monkeypatch.setattr(example, "loss_and_gradients", wrong)
    ids, size = _ids(TEXT)
    random = np.random.default_rng(3)
    errors = example.gradient_check(example.initial_parameters(10, size, random, 0.1), ids[:25], ids[1:26], random)
    assert [name for name, error in errors.items() if error > 1e-7] == ["W_hh"]


# a text whose end is that of a chunk, and two others
@pytest.mark.parametrize("cut", [0, 1, (len(TEXT) - 1) % 25], ids=str)
def test_the_preset_follows_it_step_by_step(cut):
    """1,000 steps in float64, each from the same weights, memory and state: the same loss and weights after it."""
    ids, size = _ids(TEXT[: len(TEXT) - cut])
    loss, weight = comparison.together(ids, size, 1000 if cut == 0 else 120, 0.1)
    assert loss <= 1e-9
    assert weight <= 1e-9


def test_the_preset_goes_the_same_way():
    """1,000 steps from the same weights, never looking at each other; at 0.1 rounding would grow (benchmarks)."""
    assert comparison.apart(*_ids(TEXT), 1000, 0.001) <= 1e-9


@pytest.mark.proof
def test_it_learns(example):
    """On the standard library's text, from a guess to what nobody reaches who knows only pairs of characters (57)."""
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    places = {one: place for place, one in enumerate(sorted(set(text)))}
    ids, guess = np.array([places[one] for one in text]), 25 * math.log(len(places))
    smooth, losses = guess, []
    parameters = example.initial_parameters(100, len(places), np.random.default_rng(0))
    for loss, _ in example.training(parameters, ids, 10_000):
        losses.append(loss)
        smooth = 0.999 * smooth + 0.001 * loss
    print(f"from {losses[0]:.4f} ({guess:.4f} is a guess) to {smooth:.2f} nats per chunk")
    assert losses[0] == pytest.approx(guess, rel=1e-3)
    assert len(losses) == 10_000
    assert smooth < 52  # 41 to 47 were measured, with Python 3.10 to 3.13


def test_the_preset_s_initial_values():
    config = TextConfig(**preset("min-char-rnn"))
    model = initialised(config, lambda: text_model(config, 65, cells.find(config.cell).graph))
    for name, value in model.named_parameters():
        if value.dim() == 1:
            assert not value.any(), name
        else:
            assert abs(float(value.detach().std()) - 0.01) < 0.001, name


def test_it_runs(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    for options in (["--iterations", "3", "--hidden-size", "5"], ["--check"]):
        done = subprocess.run([sys.executable, PATH, text, *options], capture_output=True, text=True, check=True)
    text.write_text("short")
    refused = subprocess.run([sys.executable, PATH, text], capture_output=True, text=True, check=False)
    assert "text.txt has 5 characters: give more than 25" in refused.stderr
    assert len(done.stdout.splitlines()) == 5


def test_it_starts_from_a_guess(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    done = subprocess.run([sys.executable, PATH, text, "--iterations", "1"], capture_output=True, text=True, check=True)
    assert f"iteration 0: {25 * math.log(len(set(TEXT))):.4f}" in done.stdout
