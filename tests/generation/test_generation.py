"""Strategies are pure functions of logits; a model writes the same text for the same seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled import ConfigError, GenerationError, LanguageModel, LanguageModelConfig, Strategy, generate

logits = st.lists(st.floats(-30, 30), min_size=2, max_size=12).map(lambda one: torch.tensor(one))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(logits, st.sampled_from([0.0, 1e-320, 1e-30, 1e-9]))
def test_temperature_towards_zero_is_argmax(row, temperature):
    top = row.topk(2).values
    if top[0] - top[1] > 1e-6:
        for strategy in (Strategy(temperature), Strategy(temperature, top_k=2), Strategy(temperature, top_p=0.9)):
            probabilities = strategy.probabilities(row)
            assert probabilities.isfinite().all()
            assert probabilities[row.argmax()] == 1


@given(logits, st.floats(0.1, 5))
def test_probabilities_are_the_softmax(row, temperature):
    want = (row.double() / temperature).softmax(0)
    torch.testing.assert_close(Strategy(temperature).probabilities(row), want)


@given(logits, st.integers(1, 15))
def test_top_k(row, k):
    probabilities = Strategy(top_k=k).probabilities(row)
    kept = probabilities > 0
    assert kept.sum() <= min(k, len(row))
    assert math.isclose(probabilities.sum(), 1)
    if not kept.all():
        assert row[~kept].max() <= row[kept].min() + 1e-6


@given(logits, st.floats(0.01, 1))
def test_top_p(row, p):
    whole = row.double().softmax(0)
    kept = Strategy(top_p=p).probabilities(row) > 0
    assert whole[kept].sum() >= p - 1e-9
    assert whole[kept].sum() - whole[kept].min() < p + 1e-9, "with one symbol less they had less than p"


def test_frequencies_at_half_temperature():
    """Chi-squared of 50,000 draws against the analytic probabilities: p > 0.01."""
    row = torch.tensor([1.0, 0.5, 0.0, -0.5, -1.0, 2.0])
    draws = Strategy(0.5).choose(
        row.expand(50_000, -1), torch.rand(50_000, dtype=torch.float64, generator=_generator(1))
    )
    observed = np.bincount(draws.numpy(), minlength=6)
    odds = np.exp(2 * row.double().numpy())
    expected = 50_000 * odds / odds.sum()
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert statistic < 15.086, "the 0.99 quantile of chi-squared with 5 degrees of freedom"


BAD = {
    "temperature -1": {"temperature": -1.0},
    "temperature nan": {"temperature": math.nan},
    "temperature inf": {"temperature": math.inf},
    "top-k 0": {"top_k": 0},
    "top-p 0": {"top_p": 0.0},
    "top-p 1.5": {"top_p": 1.5},
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_strategy(name):
    with pytest.raises(ConfigError, match=name):
        Strategy(**BAD[name])


@pytest.mark.parametrize("row", [[0.0, math.nan], [math.inf, 0.0], [-math.inf, -math.inf]])
@pytest.mark.parametrize("strategy", [Strategy(), Strategy(temperature=0.0), Strategy(top_k=1), Strategy(top_p=0.5)])
def test_logits_that_are_no_numbers(row, strategy):
    with pytest.raises(GenerationError, match="the model's logits are not finite numbers"):
        strategy.choose(torch.tensor([[0.0, 1.0], row]), torch.tensor([0.3, 0.6]))
    assert strategy.probabilities(torch.tensor([-math.inf, 1.0])).tolist() == [0.0, 1.0]


@pytest.fixture
def model():
    return LanguageModel(LanguageModelConfig(vocab_size=11, hidden_size=9, num_layers=2, dropout=0.5), "lstm")


def _written(model, seed, prompt=(3, 1), **strategy):
    return list(generate(model, np.array(prompt, dtype=np.int64), 40, Strategy(**strategy), _generator(seed)))


def test_the_same_seed_writes_the_same(model):
    assert _written(model, 5) == _written(model, 5)
    assert _written(model, 5) != _written(model, 6)


def test_greedy_is_the_argmax_of_the_whole_forward_pass(model):
    prompt = [3, 1, 4]
    written = _written(model, 0, prompt, temperature=0.0)
    logits, _ = model.eval()(torch.tensor([*prompt, *written]).unsqueeze(1))
    assert logits.argmax(-1)[2:-1, 0].tolist() == written


def test_without_a_prompt_the_first_symbol_is_drawn_evenly(model):
    firsts = [_written(model, seed, ())[0] for seed in range(200)]
    assert set(firsts) == set(range(11))
    assert len(_written(model, 0, ())) == 40


def test_the_model_is_left_as_it_was(model):
    model.train()
    _written(model, 0)
    assert model.training
    writing = generate(model, np.array([1]), 10, Strategy(), _generator())
    next(writing)
    assert model.training, "also while it has more to write"
    model.rnn.eval()
    next(writing)
    assert model.training
    assert not model.rnn.training
    writing.close()
    assert not model.rnn.training
