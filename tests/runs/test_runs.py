"""Runs: what train writes, sample and evaluate read back; a run needs no source of its cell; damage is refused."""

from __future__ import annotations

import json
import math
import os
import re

import numpy as np
import pytest
import torch

from unrolled import (
    ConfigError,
    DataError,
    RunError,
    Strategy,
    TextConfig,
    TrainingError,
    evaluate,
    load,
    sample,
    train,
)
from unrolled.data import encoding, reading
from unrolled.runs import Prepared, Sampled, Saved, doctor, resume
from unrolled.training import Evaluated, Finished, Stepped, mean_nats

TEXT = "the cat sat on the mat.\n" * 200
CELL = """
from unrolled import cell
from unrolled.ops import affine, tanh

@cell
def mine(x, h, *, scale=1.0):
    memory = tanh(affine(x, h))
    return memory * scale
"""


def _config(tmp_path, **options):
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    settings = {"steps": 30, "hidden_size": 12, "batch_size": 4, "seq_length": 16, "sample_length": 20}
    return TextConfig(**{"data": [str(text)], **settings, **options})


def _newest(path):
    """The folder of the newest checkpoint."""
    return max((path / "checkpoints").iterdir())


def _weights(path):
    return (_newest(path) / "model.safetensors").read_bytes()


def _events(tmp_path, **options):
    events = []
    path = train(_config(tmp_path, **options), tmp_path / "run", overwrite=True, listen=events.append)
    return path, events


def test_a_run_from_text_to_text(tmp_path):
    path, events = _events(tmp_path)
    prepared, saved = events[0], [event for event in events if isinstance(event, Saved)]
    assert isinstance(prepared, Prepared)
    assert (prepared.train, prepared.held_out) == (4560, 240)
    assert f"{len(set(TEXT))} different" in prepared.words
    assert saved[-1].step == 30
    assert sorted(one.name for one in path.iterdir()) == [
        "cell.json", "checkpoints", "config.json", "manifest.json", "metrics.jsonl", "samples", "text.bin",
        "text.json", "tokenizer.json",
    ]  # fmt: skip
    assert sorted(one.name for one in _newest(path).iterdir()) == [
        "manifest.json", "model.safetensors", "state.json", "state.safetensors",
    ]  # fmt: skip

    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["event"] == "stepped"] == list(range(1, 31))
    assert lines[-1]["event"] == "finished"
    sampled = [event for event in events if isinstance(event, Sampled)]
    assert [one.name for one in sorted((path / "samples").iterdir())] == [f"step-{one.step:07d}.txt" for one in sampled]
    assert all(len(one.text) == 20 for one in sampled)

    run = load(path)
    assert run.config == _config(tmp_path)
    loss = [event for event in events if isinstance(event, Evaluated)][-1].loss
    ids, _ = run.vocabulary.encode(TEXT[-240:])
    assert mean_nats(run.model, [reading(ids)]) == loss, "the saved weights are those that were evaluated"
    assert not any("pickle" in one.name or one.suffix in (".pt", ".pkl") for one in path.rglob("*"))


def test_the_same_seed_trains_the_same(tmp_path):
    weights = []
    for seed in (1, 1, 2):
        path, _ = _events(tmp_path, seed=seed, dropout=0.2, num_layers=2)
        weights.append(_weights(path))
    assert weights[0] == weights[1] != weights[2]


def test_sampling_does_not_change_training(tmp_path):
    weights = []
    for samples in (0, 20):
        path, _ = _events(tmp_path, samples=samples, dropout=0.2)
        weights.append(_weights(path))
    assert weights[0] == weights[1]


def test_a_cell_of_one_s_own_needs_its_file_only_once(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(CELL)
    path, events = _events(tmp_path, cell=f"{file}:mine(scale=0.5)")
    file.unlink()
    run = load(path)
    assert run.model.rnn.graph.cell == "mine(scale=0.5)"
    assert "memory" in run.model.rnn.graph.names
    assert "".join(sample(path, "the ", 10, Strategy(), 1))
    assert events[0].cell == "mine(scale=0.5)"


def test_sampling(tmp_path):
    path, _ = _events(tmp_path)
    first = "".join(sample(path, "the ", 50, Strategy(0.7), 3))
    assert len(first) == 50
    assert first == "".join(sample(path, "the ", 50, Strategy(0.7), 3))
    assert first != "".join(sample(path, "the ", 50, Strategy(0.7), 4))
    assert "".join(sample(path, "the ", 0, Strategy(), 1)) == ""
    greedy = "".join(sample(path, "the ", 50, Strategy(0.0), 1))
    assert greedy == "".join(sample(path, "the ", 50, Strategy(1e-9), 99))


def test_evaluating(tmp_path):
    path, _ = _events(tmp_path)
    other = tmp_path / "other.txt"
    other.write_text("the cat sat!?\n" * 50)
    score = evaluate(path, [str(other)])
    assert score.unseen == {"!": 50, "?": 50}
    assert score.chars == 12 * 50 - 1
    assert score.bits_per_char == pytest.approx(score.nats_per_char / math.log(2))
    assert score.perplexity == pytest.approx(math.exp(score.nats_per_char))
    other.write_text("!!!")
    with pytest.raises(DataError, match="has 0 characters that the model knows: at least 2 are needed"):
        evaluate(path, [str(other)])


@pytest.mark.parametrize("options", [{}, {"split": "streams", "val_frac": 0.2}, {"tokens": "bytes"}])
def test_what_was_held_out_is_what_a_run_is_measured_by(tmp_path, options):
    path, events = _events(tmp_path, **options)
    last = [event for event in events if isinstance(event, Evaluated)][-1]
    assert evaluate(path).nats_per_char == pytest.approx(last.loss), "a byte is a character here"


def test_nothing_was_held_out(tmp_path):
    path, _ = _events(tmp_path, val_frac=0.0)
    with pytest.raises(ConfigError, match="nothing was held out of this run's text: name another one"):
        evaluate(path)


def test_what_is_held_out_is_not_learned(tmp_path):
    """Two texts that differ in their held-out end only give the same weights, and other losses."""
    results = []
    for end in ("mat.\n" * 48, "sat.\n" * 48):
        text = tmp_path / "end.txt"
        text.write_text(TEXT[:4560] + end)
        events = []
        config = _config(tmp_path, data=[str(text)], evaluations=1)
        path = train(config, str(tmp_path / "run"), overwrite=True, listen=events.append)
        run = load(str(path))
        loss = next(event.loss for event in events if isinstance(event, Evaluated))
        assert loss == mean_nats(run.model, [reading(run.vocabulary.encode(end)[0])])
        results.append((loss, _weights(path)))
    assert results[0][1] == results[1][1]
    assert results[0][0] != results[1][0]


def test_the_sample_s_temperature(tmp_path):
    path, events = _events(tmp_path, sample_temperature=0.0)
    last = next(event for event in reversed(events) if isinstance(event, Sampled))
    assert last.text == "".join(sample(path, "\n", 20, Strategy(0.0), 5))


def test_bytes(tmp_path):
    text = tmp_path / "data.bin"
    text.write_bytes("caf\u00e9 \u4e16\n".encode() * 300 + b"\xff\x00" * 50)
    path, events = _events(tmp_path, data=[str(text)], tokens="bytes")
    assert ", 256 different" in events[0].words
    text.write_bytes("caf\u00e9\u4e16".encode())
    score = evaluate(path, [str(text)])
    assert score.chars == 4, "five characters, of which the first is read and not predicted"
    assert score.nats_per_char * 4 == pytest.approx(
        7 * mean_nats(load(path).model, [reading(np.frombuffer(text.read_bytes(), np.uint8))])
    )
    assert "".join(sample(path, "\u4e16", 30, Strategy(), 1))
    text.write_bytes(b"\x80" * 2000)
    with pytest.raises(DataError, match="no character begins in"):
        evaluate(path, [str(text)])


@pytest.mark.parametrize("tokens", ["words", "pairs"])
def test_words_and_pairs(tmp_path, tokens):
    path, events = _events(tmp_path, tokens=tokens, vocab_size=300, steps=200)
    assert load(path).vocabulary.tokens == tokens
    assert "".join(sample(path, "the cat", 30, Strategy(temperature=0.0), 1)).startswith(" sat on the mat.")
    score = evaluate(path, [str(tmp_path / "text.txt")])
    assert score.chars > 4000
    assert score.nats_per_char < 0.5
    prepared = next(event for event in events if isinstance(event, Prepared))
    assert prepared.train + prepared.held_out < 0.6 * len(TEXT)  # a symbol is more than a character


def test_several_texts_in_proportion(tmp_path):
    """A text of ten times the length has ten times the rows; each is held out in part, and none runs into another."""
    (tmp_path / "long.txt").write_text("abcdefg\n" * 1000)
    (tmp_path / "short.txt").write_text("12345\n" * 133)
    data = [str(tmp_path / "long.txt"), str(tmp_path / "short.txt")]
    heard = []
    config = TextConfig(
        data=data, mix="proportional", batch_size=11, seq_length=8, hidden_size=12, steps=150, samples=0, val_frac=0.1
    )
    path = train(config, tmp_path / "run", listen=heard.append)
    assert [event.loss for event in heard if isinstance(event, Evaluated)][-1] < 0.3
    prepared = next(event for event in heard if isinstance(event, Prepared))
    assert prepared.held_out == 800 + 80
    assert "".join(sample(path, "12", 6, Strategy(temperature=0.0), 1)) == "345\n12"


def test_float64(tmp_path):
    path, _ = _events(tmp_path, precision="float64", steps=2)
    assert all(value.dtype == torch.float64 for value in load(path).model.parameters())


def test_stopping_saves(tmp_path):
    events = []
    path = train(_config(tmp_path), tmp_path / "run", listen=events.append, should_stop=lambda: len(events) > 20)
    finished = next(event for event in events if isinstance(event, Finished))
    assert finished.reason == "interrupted"
    assert load(path).step == finished.step > 0


def test_diverging_saves_what_was_before(tmp_path):
    """The weights of the last sound step, which are those of a run of so many steps."""
    options = {"learning_rate": 1e3, "grad_clip": 0.0, "warmup": 0, "decay": 0.0, "optimizer": "rmsprop"}
    with pytest.raises(TrainingError, match=r"training stopped in step \d+"):
        _events(tmp_path, **options)
    saved = load(tmp_path / "run")
    again = train(_config(tmp_path, **options | {"steps": saved.step}), tmp_path / "short")
    assert _weights(again) == _weights(tmp_path / "run")


def _after_step(number, act):
    """A listener that does something once, after so many steps."""
    return lambda event: act() if isinstance(event, Stepped) and event.step == number else None


def test_a_stored_text_that_becomes_shorter_while_it_is_read(tmp_path, monkeypatch):
    """Training reads the run's own text; the error says what happened, and what was saved is whole."""
    monkeypatch.setattr(encoding, "_IN_MEMORY", 0)  # (a small text is read at once)
    text = tmp_path / "run" / "text.bin"
    cut = _after_step(9, lambda: os.truncate(text, 100))
    with pytest.raises(DataError, match=f"the stored text {re.escape(str(text))} became shorter while it was read"):
        train(_config(tmp_path, evaluations=5), tmp_path / "run", listen=cut)
    assert load(tmp_path / "run").step == 6
    with pytest.raises(RunError, match=r"text\.bin is damaged"):
        resume(tmp_path / "run")


def test_a_cache_that_changes_does_not_reach_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "_IN_MEMORY", 0)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    train(_config(tmp_path), tmp_path / "whole")

    def spoil():
        for stored in (tmp_path / "cache").rglob("*.bin"):
            stored.write_bytes(bytes(stored.stat().st_size))

    train(_config(tmp_path), tmp_path / "run", listen=_after_step(3, spoil))
    assert _weights(tmp_path / "run") == _weights(tmp_path / "whole")


def test_folders_are_not_overwritten_by_accident(tmp_path, monkeypatch):
    path, _ = _events(tmp_path, steps=1)
    before = _weights(path)
    with pytest.raises(RunError, match="holds a run already.*--overwrite"):
        train(_config(tmp_path), path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "important.txt").write_text("mine")
    with pytest.raises(RunError, match="exists and is not a run"):
        train(_config(tmp_path), tmp_path / "notes", overwrite=True)
    (tmp_path / "notes" / "config.json").write_text("{}")
    with pytest.raises(RunError, match="exists and is not a run"):
        train(_config(tmp_path), tmp_path / "notes", overwrite=True)
    (tmp_path / "link").symlink_to(path)
    for place in ("text.txt", "link"):
        with pytest.raises(RunError, match="exists and is not a run"):
            train(_config(tmp_path), tmp_path / place, overwrite=True)
    (path / "samples" / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match=r"holds more than a run \(.*thesis.tex\): it is not overwritten"):
        train(_config(tmp_path), path, overwrite=True)
    (path / "samples" / "thesis.tex").unlink()
    assert (tmp_path / "notes" / "important.txt").read_text() == "mine"
    assert _weights(path) == before

    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert str(train(_config(tmp_path, steps=1))) == f"runs/gru_v3-{number}"


def test_nothing_is_written_when_the_options_are_wrong(tmp_path):
    path, _ = _events(tmp_path, steps=1)
    before = _weights(path)
    for options in ({"data": ["nowhere"]}, {"cell": "lstn"}, {"device": "gpu"}, {"batch_size": 10_000}):
        with pytest.raises((DataError, ConfigError, ValueError)):
            train(_config(tmp_path, **options), path, overwrite=True)
        assert _weights(path) == before


def test_a_missing_run_is_guessed(tmp_path):
    _events(tmp_path, steps=1)
    with pytest.raises(RunError, match=r"there is no run .*/rum. Did you mean 'run'\?"):
        load(tmp_path / "rum")


def test_the_doctor():
    facts = doctor()
    assert facts["arithmetic"].startswith("right")
    assert facts["engine"].startswith(("native, ", "reference "))
