"""The sizes of a model where nobody says: by how often it will read its text."""

from __future__ import annotations

import json

import pytest

from unrolled import TextConfig, train
from unrolled.runs.tasks.text_recipe import RECIPES, with_recipe


@pytest.mark.parametrize(
    ("minutes", "symbols", "hidden"),
    [
        (1.5, 4_700_000, 256),  # the default corpus
        (1, 1_115_394, 256),  # tiny Shakespeare
        (3, 1_115_394, 384),
        (10, 1_115_394, 768),
        (600, 100_000, 256),  # a short text stays short, however long it is read
        (10, 600_000, 384),
        (10, 1_000_000_000, 256),
        (1e6, 1, 256),
    ],
)
def test_the_longer_a_text_is_read_the_larger_the_model(minutes, symbols, hidden):
    found = with_recipe(TextConfig(minutes=minutes, val_frac=0.1), symbols)
    chosen = next(one for one in RECIPES if one.hidden_size == hidden)
    assert (found.hidden_size, found.dropout, found.learning_rate) == chosen[:3]


@pytest.mark.parametrize(
    "said",
    [
        {"hidden_size": 256}, {"dropout": 0.0}, {"learning_rate": 8e-3}, {"cell": "gru_v3"}, {"num_layers": 1},
        {"optimizer": "adamw"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_said_holds(said):
    config = TextConfig(minutes=10, **said)
    assert with_recipe(config, 1_115_394) is config


@pytest.mark.parametrize("length", [{"steps": 100_000}, {"epochs": 100}], ids=str)
def test_who_counts_steps_gets_the_sizes_that_are_told(length):
    config = TextConfig(**length)
    assert with_recipe(config, 1_115_394) is config


def test_the_default_of_the_model_is_the_first_recipe():
    config = TextConfig()
    assert (config.hidden_size, config.dropout, config.learning_rate) == RECIPES[0][:3]


def test_a_run_says_what_it_was_made_of(tmp_path, monkeypatch):
    text = tmp_path / "text.txt"
    text.write_text("a short text, written again and again. " * 30)
    monkeypatch.setattr("unrolled.runs.tasks.text_recipe._SYMBOLS", 1)
    monkeypatch.setattr("unrolled.runs.tasks.text_recipe.RECIPES", (RECIPES[0], RECIPES[1]._replace(hidden_size=33)))
    run = train(TextConfig(data=(str(text),), minutes=0.02, samples=0, seq_length=9, batch_size=4), tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    assert (config["hidden_size"], config["dropout"], config["learning_rate"]) == (33, 0.3, 8e-3)
