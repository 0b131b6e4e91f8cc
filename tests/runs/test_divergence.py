"""Predictions held against n-gram models while a run trains: the figures are right, and training is what it was."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from unrolled import ConfigError, TextConfig, load, train
from unrolled.inspection import NGrams
from unrolled.runs import Diverged, Saved, resume, validated
from unrolled.training import Evaluated

WORDS = ("the ", "cat ", "sat ", "on ", "a ", "mat.\n", "dogs ", "bark ")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    chance = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    path.write_text("".join(WORDS[one] for one in chance.integers(len(WORDS), size=3000)))
    return path


def _config(text, **options):
    sizes = {"hidden_size": 24, "batch_size": 4, "seq_length": 16, "samples": 0, "steps": 60, "dropout": 0.2}
    return TextConfig(**sizes | {"data": [str(text)], "evaluations": 6} | options)


def _logged(path, kind):
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    timed = {"time", "elapsed", "tokens_per_second"}
    return [{name: one[name] for name in one if name not in timed} for one in lines if one["event"] == kind]


def _saved(path):
    newest = max((path / "checkpoints").iterdir())
    return [(newest / name).read_bytes() for name in ("model.safetensors", "state.safetensors")]


def test_it_is_what_the_saved_model_predicts(text, tmp_path):
    path = train(_config(text, divergence=3), tmp_path / "run")
    run, written = load(path), text.read_text()
    ids = np.array(run.vocabulary.encode(written)[0])
    cut = len(ids) - round(len(ids) * 0.05)
    read = ids[cut : cut + 2000]
    logits, _ = run.model(torch.from_numpy(read)[:, None])
    log_p = logits[:-1, 0].detach().double().log_softmax(dim=1).numpy()
    found = _logged(path, "diverged")[-1]
    assert found["step"] == 60
    assert list(found["divergences"]) == ["1", "2", "3"]
    for n, nats in found["divergences"].items():
        model = NGrams(ids[:cut], len(run.vocabulary), int(n))
        q = np.array([model.distribution(read[:place]) for place in range(1, len(read))])
        assert nats == pytest.approx(((np.exp(log_p) - q) * (log_p - np.log(q))).sum(axis=1).mean(), rel=1e-4)


def test_it_comes_with_each_evaluation_and_before_what_is_saved(text, tmp_path):
    events = []
    path = train(_config(text, divergence=2), tmp_path / "run", listen=events.append)
    kinds = [type(one) for one in events if isinstance(one, Evaluated | Diverged | Saved)]
    assert kinds[:6] == [Evaluated, Diverged, Saved] * 2
    steps = [[one.step for one in events if isinstance(one, kind)] for kind in (Evaluated, Diverged)]
    assert steps[0] == steps[1] == [10, 20, 30, 40, 50, 60]
    assert [one["step"] for one in _logged(path, "diverged")] == steps[1]
    assert all(math.isfinite(nats) for one in events if isinstance(one, Diverged) for nats in one.divergences.values())


def test_a_network_resembles_few_symbols_first_and_more_later(text, tmp_path):
    path = train(_config(text, divergence=3, steps=400, evaluations=40, dropout=0.0), tmp_path / "run")
    found = [one["divergences"] for one in _logged(path, "diverged")]
    nearest = [min(one, key=one.get) for one in found]
    assert nearest[0] == "1"
    assert nearest[-1] == "3"
    assert found[-1]["1"] > 4 * found[-1]["3"]


def test_training_is_what_it_was(text, tmp_path):
    with_, without = (train(_config(text, divergence=n), tmp_path / str(n)) for n in (4, 0))
    assert _saved(with_) == _saved(without)
    assert _logged(with_, "stepped") == _logged(without, "stepped")
    assert _logged(with_, "evaluated") == _logged(without, "evaluated")
    assert not _logged(without, "diverged")


@pytest.mark.parametrize("cut", [10, 25])
def test_a_resumed_run_has_the_same_figures(text, tmp_path, cut):
    config = _config(text, divergence=2)
    whole = train(config, tmp_path / "whole")
    done = []
    part = train(
        config, tmp_path / "part", listen=lambda event: done.append(event),
        should_stop=lambda: any(getattr(one, "step", 0) >= cut for one in done),
    )  # fmt: skip
    assert len(_logged(part, "diverged")) < 6
    resume(part)
    assert _saved(part) == _saved(whole)
    assert _logged(part, "diverged") == _logged(whole, "diverged")


def test_a_listener_that_fails_loses_none(text, tmp_path):
    """What it is told of is saved, and not done again: it has to be in the file already."""
    config = _config(text, divergence=2)

    def listen(event):
        if isinstance(event, Evaluated):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        train(config, tmp_path / "part", listen=listen)
    resume(tmp_path / "part")
    whole = train(config, tmp_path / "whole")
    assert _saved(tmp_path / "part") == _saved(whole)
    assert _logged(tmp_path / "part", "diverged") == _logged(whole, "diverged")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"divergence": 2, "val_frac": 0.0}, "needs a piece of held-out text"),
        ({"divergence": 2, "split": "streams"}, "needs a piece of held-out text"),
        ({"divergence": -1}, "divergence = -1"),
        ({"divergence": 21}, "divergence = 21"),
    ],
)
def test_what_cannot_diverge(options, told):
    with pytest.raises(ConfigError, match=told):
        validated(TextConfig, options, "options", ConfigError)
