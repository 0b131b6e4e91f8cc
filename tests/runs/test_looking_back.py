"""What was tried: the table of runs, comparing them, finding a learning rate, and logging to other places."""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from unrolled import ConfigError, RunError, TextConfig
from unrolled.cli import options
from unrolled.runs import Saved, Tried, compare, comparison, load, resume, sinks, train, tried
from unrolled.runs.comparison import interval_of_median
from unrolled.runs.learning_rate import find_learning_rate
from unrolled.runs.sinks import logging_to

TEXT = "the cat sat on the mat, and the dog sat on the log.\n" * 9
OPTIONS = {
    "cell": "rnn",
    "hidden_size": 4,
    "batch_size": 2,
    "seq_length": 6,
    "steps": 8,
    "evaluations": 2,
    "samples": 0,
}


def _config(place, **changes):
    (place / "text.txt").write_text(TEXT)
    return TextConfig(**OPTIONS | {"data": [str(place / "text.txt")]} | changes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    for cell in ("rnn", "gru"):
        for seed in (1, 2, 3):
            train(_config(place, cell=cell, seed=seed), place / f"{cell}-{seed}")
    return place


def test_the_table_of_runs(runs, tmp_path):
    place = shutil.copytree(runs, tmp_path / "runs")
    (place / "rnn-1" / "cell.json").write_text("{}")
    (place / "rnn-2" / "manifest.json").unlink()
    shutil.rmtree(place / "rnn-3" / "checkpoints")
    (place / "rnn-3" / "checkpoints").mkdir()
    (place / "no run").mkdir()
    rows = {one.path.rpartition("/")[2]: one for one in tried(place)}
    assert set(rows) == {f"{cell}-{seed}" for cell in ("rnn", "gru") for seed in (1, 2, 3)}
    whole = [one for one in tried(place) if one.best_loss is not None]
    assert [one.best_loss for one in whole] == sorted(one.best_loss for one in whole)
    assert {(one.task, one.cell, one.step, one.total, one.remark) for one in whole} == {("text", "gru", 8, 8, "")}
    assert "cannot be read" in rows["rnn-1"].remark
    assert "cannot be read" in rows["rnn-2"].remark
    assert rows["rnn-3"].remark == "never saved"
    with pytest.raises(RunError, match="there is no folder"):
        tried(place / "elsewhere")
    with pytest.raises(RunError, match="there is no run in"):
        tried(place / "no run")


def test_runs_of_a_task_stand_together():
    facts = {"cell": "rnn", "parameters": 1, "text": "", "seed": 1, "step": 9, "total": 9, "best_step": 9}
    facts |= {"elapsed": 1.0, "remark": "", "unit": "image"}
    order = [("b", "draw", 0.3), ("a", "draw", 0.5), ("d", "glimpse", 0.2), ("c", "glimpse", 0.4)]
    made = [Tried(path=path, task=task, best_loss=loss, **facts) for path, task, loss in reversed(order)]
    assert [(one.path, one.task, one.best_loss) for one in sorted(made, key=lambda one: one.order)] == order


def test_runs_that_read_in_other_ways_do_not_compare():
    assert set(options._PANELS["Data"]) <= set(comparison._WHAT_IS_READ)


def test_seeds_are_a_group(runs, tmp_path):
    paths = [runs / f"{cell}-{seed}" for cell in ("rnn", "gru") for seed in (1, 2, 3)]
    groups = compare(paths)
    assert sorted(group.what for group in groups) == ["cell=gru", "cell=rnn"]
    for group in groups:
        losses = {one.path: one.best_loss for one in tried(runs)}
        assert list(group.losses) == [losses[path] for path in group.runs]
        assert group.median == statistics.median(group.losses)
        assert group.interval is None  # three seeds cannot say
    assert groups[0].median <= groups[1].median
    assert [group.what for group in compare(paths[:3])] == ["only the seed"]
    longer = shutil.copytree(paths[0], tmp_path / "longer")
    resume(longer, 11)
    assert {group.what for group in compare([paths[0], longer])} == {"steps=8", "steps=11"}
    with pytest.raises(RunError, match="two different runs or more"):
        compare(paths[:1])


def test_the_interval_of_a_median_holds_what_it_says():
    assert interval_of_median([1.0] * 5) is None
    assert interval_of_median([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == (1.0, 6.0)
    assert interval_of_median([float(one) for one in range(20)]) == (5.0, 14.0)  # as in tables
    random = np.random.default_rng(0)
    for count in (6, 11, 30):
        spans = [interval_of_median(random.exponential(size=count)) for _ in range(4000)]
        held = sum(low <= math.log(2) <= high for low, high in spans) / len(spans)
        assert held > 0.94


def test_a_learning_rate_is_found(tmp_path):
    found = find_learning_rate(_config(tmp_path, steps=60, hidden_size=16))
    assert 1e-4 < found.suggested < 1
    assert list(found.rates) == sorted(found.rates)
    assert len(found.rates) == len(found.losses) <= 60
    before = found.losses[0]
    assert min(found.losses) < before
    assert found.suggested < found.rates[found.losses.index(min(found.losses))]
    assert 15 <= len(found.shown()) <= 30
    assert found.unit == "character"
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ConfigError, match="is found in 20 steps or more"):
        find_learning_rate(_config(tmp_path, steps=5))


class _Library:
    """Of the functions of W&B; it fails, or is slow, where it is told to."""

    def __init__(self, fails_in=None, sleeps=0.0):
        self.fails_in, self.sleeps, self.logged, self.is_over = fails_in, sleeps, [], False

    def _may_fail(self, where):
        time.sleep(self.sleeps)
        if self.fails_in == where:
            raise SystemExit("no network")

    def init(self, project, name):
        self._may_fail("init")

    def log(self, numbers, step):
        self._may_fail("log")
        self.logged.append((step, *numbers.items()))

    def finish(self):
        self._may_fail("finish")
        self.is_over = True


def _logged(tmp_path, monkeypatch, library, **config):
    monkeypatch.setitem(sys.modules, "wandb", library)
    monkeypatch.setattr(sinks.importlib.util, "find_spec", lambda name: SimpleNamespace())
    warnings, events = [], []
    with logging_to(["wandb"], warnings.append) as listen:
        train(
            _config(tmp_path, **config), tmp_path / "run", overwrite=True,
            listen=lambda event: (events.append(event), listen(event)),
        )  # fmt: skip
    assert any(isinstance(event, Saved) for event in events)
    assert load(tmp_path / "run").step == 8
    return warnings


def test_numbers_go_to_a_sink(tmp_path, monkeypatch):
    library = _Library()
    assert _logged(tmp_path, monkeypatch, library) == []
    assert library.is_over
    assert [step for step, (name, _) in library.logged if name == "train/nats"] == list(range(1, 9))
    assert [step for step, (name, _) in library.logged if name == "held out/nats"] == [4, 8]


@pytest.mark.parametrize("where", ["init", "log", "finish"])
def test_a_sink_that_fails_stops_no_run(tmp_path, monkeypatch, where):
    (warning,) = _logged(tmp_path, monkeypatch, _Library(where))
    assert warning == "warning: logging to wandb failed and is off: SystemExit: no network"


def test_a_sink_that_hangs_stops_no_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sinks, "_PATIENCE", 0.2)
    started = time.monotonic()
    (warning,) = _logged(tmp_path, monkeypatch, _Library(sleeps=3.0))
    assert "did not take everything" in warning
    assert time.monotonic() - started < 60


def test_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with logging_to(["tensorboard"]) as listen:
        path = train(_config(tmp_path), tmp_path / "run", listen=listen)
    read = EventAccumulator(str(path / "tensorboard")).Reload()
    assert [one.step for one in read.Scalars("train/nats")] == list(range(1, 9))
    train(_config(tmp_path), path, overwrite=True)  # what was logged there is no obstacle


def test_what_is_no_sink():
    with (
        pytest.raises(ConfigError, match=r"--log tensorbord: .* Did you mean 'tensorboard'"),
        logging_to(["tensorbord"]),
    ):
        pass
    with (
        pytest.raises(ConfigError, match="--log trackio needs its library: pip install trackio"),
        logging_to(["trackio"]),
    ):
        pass


def test_a_cell_that_never_gives_a_number_has_no_learning_rate(tmp_path):
    (tmp_path / "c.py").write_text(
        "from unrolled import cell\nfrom unrolled.ops import affine, log\n\n"
        "@cell\ndef mine(x, h):\n    return log(affine(x, h) - 100)\n"
    )
    with pytest.raises(ConfigError, match="no finite number from the first step on"):
        find_learning_rate(_config(tmp_path, steps=20, cell=f"{tmp_path / 'c.py'}:mine"))


def test_a_folder_of_somebody_else_hides_no_run(runs, monkeypatch):
    real = type(runs).is_file

    def is_file(path):
        if "gru-2" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(type(runs), "is_file", is_file)
    assert len(tried(runs)) == 5
