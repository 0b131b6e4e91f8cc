"""A resumed run is the run that was never stopped: bit for bit, in a new process, wherever it was cut."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from unrolled import ConfigError, RunError, TextConfig, load
from unrolled.runs import AlreadyDone, Saved, Warned, resume, train
from unrolled.runs import machine as machine_module
from unrolled.runs.checkpoints import Checkpoints
from unrolled.runs.folder import RunFolder
from unrolled.runs.training import _trainer
from unrolled.training import Evaluated, Evaluation, Finished, Planned, Stepped, TextTask

TEXT = "the cat sat on the mat, and the dog sat on the log.\n" * 60  # 46 chunks of 4 x 16 an epoch
SIZES = {"hidden_size": 7, "batch_size": 4, "seq_length": 16, "sample_length": 8, "num_layers": 2, "steps": 60}
SHORT = TEXT[: 4 * 8 * 11 + 1]  # 10 chunks of 4 x 8 an epoch; a twentieth is held out

CELLS = ("lstm", "gru(zoneout=0.1, dropout=0.3)", "gru_v3", "rnn", "lstm(projection=3)")
OPTIMIZERS = ("adamw", "rmsprop", "adagrad")
DROPOUTS = (0.0, 0.4)
CUTS = {"in the warm-up": 1, "stable": 7, "at an epoch's end": 10, "in the decay": 12, "before the last": 15}

RESUME = "import sys; from unrolled.runs import resume\nfor path in sys.argv[1:]: resume(path)"


def _config(tmp_path, **options):
    text = tmp_path / "text.txt"
    if not text.exists():
        text.write_text(TEXT)
    return TextConfig(**SIZES | {"data": [str(text)], "warmup": 6, "evaluations": 4, "samples": 3} | options)


def _newest(path):
    return max((path / "checkpoints").iterdir())


def _saved(path):
    """The weights, and everything else that a checkpoint holds of training."""
    return [(_newest(path) / name).read_bytes() for name in ("model.safetensors", "state.safetensors")]


def _progress(path):
    return json.loads((_newest(path) / "state.json").read_text())["progress"]


def _cut(config, path, steps):
    """A run that was stopped after so many steps."""
    done = []

    def listen(event):
        if isinstance(event, Stepped):
            done.append(event.step)

    train(config, path, listen=listen, should_stop=lambda: bool(done) and done[-1] >= steps)
    return path


def _short(tmp_path, **options):
    return _config(tmp_path, seq_length=8, steps=16, warmup=2, **options)


@pytest.mark.parametrize("fifths", [(0, 2), pytest.param(range(5), marks=pytest.mark.proof)])
def test_a_resumed_run_is_the_run_that_was_never_stopped(tmp_path, fifths):
    """150 cases: cells x optimisers x dropout x where it was cut; the text is changed meanwhile.

    Two fifths of them have each cell, each optimiser and each cut, with dropout and without.
    """
    whole, parts, text = {}, {}, tmp_path / "text.txt"
    text.write_text(SHORT)
    for number, kind in enumerate(itertools.product(CELLS, OPTIMIZERS, DROPOUTS)):
        if number % 5 not in fifths:
            continue
        cell, optimizer, dropout = kind
        config = _short(tmp_path, cell=cell, optimizer=optimizer, dropout=dropout, seed=number)
        whole[kind] = _saved(train(config, tmp_path / f"whole-{number}"))
        for cut, steps in CUTS.items():
            parts[*kind, cut] = _cut(config, tmp_path / f"part-{number}-{steps}", steps)
            assert _progress(parts[*kind, cut])["step"] == steps
    text.write_text("another text")
    subprocess.run([sys.executable, "-c", RESUME, *map(str, parts.values())], check=True, timeout=280)
    different = [case for case, path in parts.items() if _saved(path) != whole[case[:-1]]]
    assert not different
    assert len(parts) >= 60


def test_where_these_runs_are_cut(tmp_path):
    """The next step is one of the warm-up, the first of an epoch, and so on."""
    (tmp_path / "text.txt").write_text(SHORT)
    rates = []
    path = train(
        _short(tmp_path, learning_rate=1.0), tmp_path / "run",
        listen=lambda event: rates.append(event.learning_rate) if isinstance(event, Stepped) else None,
    )  # fmt: skip
    assert rates[0] < rates[CUTS["in the warm-up"]]
    assert rates[1:9] == [1.0] * 8
    assert rates[CUTS["stable"]] == 1.0
    assert 1.0 > rates[CUTS["in the decay"] - 1] > rates[CUTS["in the decay"]]
    assert len(rates) == CUTS["before the last"] + 1
    folder = RunFolder.at(path)
    streams = _trainer(folder, folder.identity())[0].task.streams
    assert [step for step in range(16) if streams.chunk(step).starts.all()] == [0, CUTS["at an epoch's end"]]


OPTIONS = [
    "--hidden-size", "7", "--batch-size", "4", "--seq-length", "8", "--num-layers", "2", "--dropout", "0.3",
    "--steps", "200", "--warmup", "6", "--evaluations", "4", "--samples", "3", "--sample-length", "8",
]  # fmt: skip


def _process(place, *arguments):
    """The command in a process of its own, which cannot be far ahead of what is read of its output."""
    return subprocess.Popen(
        [sys.executable, "-m", "unrolled.cli.main", *arguments, "--json"], cwd=place, pipesize=4096,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _hashes(path):
    return [hashlib.sha256(content).hexdigest() for content in _saved(path)]


@pytest.mark.parametrize(("cell", "step"), [("lstm", 3), ("gru_v3", 92)])
def test_a_process_that_was_told_to_stop_goes_on(tmp_path, cell, step):
    """Real processes: SIGTERM after some step, a resume; the hashes of what is saved are the undisturbed run's."""
    (tmp_path / "text.txt").write_text(TEXT)
    arguments = ("train", "text.txt", *OPTIONS, "--cell", cell, "-o")
    undisturbed = _process(tmp_path, *arguments, "whole")
    stopped = _process(tmp_path, *arguments, "part")
    next(line for line in stopped.stdout if f'"event": "stepped", "step": {step},'.encode() in line)
    stopped.send_signal(signal.SIGTERM)
    out, errors = stopped.communicate(timeout=60)
    assert (stopped.returncode, errors) == (128 + signal.SIGTERM, b"")
    assert b'"reason": "interrupted"' in out
    assert step <= load(tmp_path / "part").step < 200
    resumed = _process(tmp_path, "resume", "part")
    for process in (undisturbed, resumed):
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, b"")
    assert load(tmp_path / "part").step == 200
    assert _hashes(tmp_path / "part") == _hashes(tmp_path / "whole")


def _told_to_stop(number):
    """True from that question on, counted from 0."""
    asked = itertools.count()
    return lambda: next(asked) >= number


def _everything(path):
    samples = {one.name: one.read_text() for one in (path / "samples").iterdir()}
    return _saved(path), _events(path, "stepped"), _events(path, "evaluated"), samples


def test_stopped_whenever_it_asks(tmp_path):
    """It asks before a step, between two pieces of the held-out text and after each symbol of a sample: all of them."""
    config = _config(
        tmp_path, cell="rnn", dropout=0.3, hidden_size=3, num_layers=1, batch_size=2, seq_length=8, steps=12, samples=4,
        sample_length=18, evaluations=3,
    )  # fmt: skip
    asked, reasons = [], []
    whole = _everything(train(config, tmp_path / "whole", should_stop=lambda: asked.append(0)))
    assert len(asked) >= 100
    for number in range(len(asked)):
        path = train(
            config, tmp_path / "part", overwrite=True, should_stop=_told_to_stop(number),
            listen=lambda event: reasons.append(event.reason) if isinstance(event, Finished) else None,
        )  # fmt: skip
        resume(path)
        assert _everything(path) == whole, f"stopped at question {number}"
    assert len(reasons) == len(asked)
    assert reasons.count("interrupted") >= 100


def _events(path, kind):
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    names = {"stepped": ("step", "loss", "grad_norm", "learning_rate"), "evaluated": ("step", "loss")}[kind]
    return [[line[name] for name in names] for line in lines if line["event"] == kind]


def test_what_was_logged_is_logged_once(tmp_path):
    config = _config(tmp_path)
    whole = train(config, tmp_path / "whole")
    part = _cut(config, tmp_path / "part", 37)
    with (part / "metrics.jsonl").open("a") as file:
        file.write('{"event": "stepped", "step": 38, "loss": 9}\n{"event": "st')  # after the last save: it was killed
    resume(part)
    for kind in ("stepped", "evaluated"):
        assert _events(part, kind) == _events(whole, kind)
    names = [sorted(one.name for one in (path / "samples").iterdir()) for path in (whole, part)]
    assert names[0] == names[1]


def test_a_run_that_is_done_is_left_alone(tmp_path):
    path = train(_config(tmp_path), tmp_path / "run")
    before, events = _saved(path), []
    resume(path, listen=events.append)
    assert events == [AlreadyDone(60, str(path))]
    assert _saved(path) == before
    with pytest.raises(ConfigError, match="60 steps in all: 60 are done already, give more than these"):
        resume(path, 60)


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path):
    config = _config(tmp_path)
    whole, part = train(config, tmp_path / "whole"), train(config, tmp_path / "part")
    for one in (part / "checkpoints").iterdir():
        for file in one.iterdir():
            file.unlink()
        one.rmdir()
    with pytest.raises(RunError, match="stopped before its first save. Go on with 'unrolled resume"):
        load(part)
    resume(part)
    assert _saved(part) == _saved(whole)


def test_a_longer_run_is_that_run_while_the_rate_has_not_fallen(tmp_path):
    """40 of 60 steps are stable; cut there and extended, it is the run of 80 steps. Later, the rate rises again."""
    config = _config(tmp_path, decay=0.3)
    longer = train(_config(tmp_path, decay=0.3, steps=80), tmp_path / "longer")
    part = _cut(config, tmp_path / "part", 40)
    resume(part, 80)
    assert _saved(part)[0] == _saved(longer)[0]

    path = train(config, tmp_path / "done")
    rates = []
    resume(path, 80, listen=lambda event: rates.append(event.learning_rate) if isinstance(event, Stepped) else None)
    assert len(rates) == 20
    assert rates[0] > rates[-1] > 0
    assert load(path).step == 80


class FakeTime:
    """A clock that only the steps of training move, each by so many seconds."""

    def __init__(self, monkeypatch, step):
        self.now, self.step = 100.0, step
        loss = TextTask.loss

        def slow_loss(task, number):
            self.now += self.step
            return loss(task, number)

        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(TextTask, "loss", slow_loss)


@pytest.mark.parametrize("cut", [10, 30])
def test_a_time_limit_is_turned_into_steps_once(tmp_path, monkeypatch, cut):
    """A minute of steps of a second: 58, however slow they become after a resume. (10 steps cannot say yet.)"""
    clock, events = FakeTime(monkeypatch, 1.0), []
    path = _cut(_config(tmp_path, steps=None, minutes=1.0), tmp_path / "run", cut)
    assert (_progress(path)["step"], _progress(path)["total"]) == (cut, None if cut == 10 else 58)
    for stop in (35, 60):
        resume(path, listen=events.append, should_stop=lambda: _last_step(events) >= stop)
        assert _progress(path)["total"] == 58
        clock.step = 50.0
    assert {event.total for event in events if isinstance(event, Planned)} == {58}
    assert [event.reason for event in events if isinstance(event, Finished)] == ["interrupted", "done"]
    assert load(path).step == 58


def _last_step(events):
    return max((event.step for event in events if isinstance(event, Stepped)), default=0)


def test_the_best_is_remembered(tmp_path):
    """The loss rises at last, with a rate far too high: the best checkpoint stays, and can be used."""
    config = _config(tmp_path, learning_rate=0.05, steps=40, decay=0.0, max_loss_ratio=0.0)
    events = []
    path = train(config, tmp_path / "run", listen=events.append)
    resume(path, 44, listen=events.append)
    losses = {event.step: event.loss for event in events if isinstance(event, Evaluated)}
    assert load(path, best=True).step == min(losses, key=losses.get)
    assert load(path).step == 44
    assert len(list((path / "checkpoints").iterdir())) <= 3


@pytest.fixture
def best_of_five(tmp_path, monkeypatch):
    """A run whose second evaluation of five is said to be the best, and what was saved after each."""
    losses, saved = iter([3.0, 1.0, 2.0, 1.5, 2.5, 2.0, 1.25]), {}
    monkeypatch.setattr(TextTask, "evaluate", lambda task, should_stop: Evaluation(next(losses)))

    def listen(event):
        if isinstance(event, Saved):
            saved[event.step] = load_file(_newest(tmp_path / "run") / "model.safetensors")

    path = train(_config(tmp_path, evaluations=5), tmp_path / "run", listen=listen)
    assert list(saved) == [12, 24, 36, 48, 60]
    return path, saved


def _is_as_saved(run, step, saved):
    weights = run.model.state_dict()
    assert run.step == step
    assert weights.keys() == saved[step].keys()
    assert all(torch.equal(weights[name], value) for name, value in saved[step].items())


def test_the_best_is_not_the_newest(best_of_five):
    """Step and weights are those saved then; also after a resume, whose losses lie between."""
    path, saved = best_of_five
    _is_as_saved(load(path, best=True), 24, saved)
    _is_as_saved(load(path), 60, saved)
    resume(path, 72)
    _is_as_saved(load(path, best=True), 24, saved)
    assert load(path).step == 72
    assert len(list((path / "checkpoints").iterdir())) == 3


def _weights_of_the_newest(checkpoints, expected):
    """The best one's step, with the weights of the newest."""
    newest = checkpoints.weights(expected)
    return replace(newest, standing=checkpoints.read(newest.standing.best, expected).standing)


@pytest.mark.parametrize("wrong", [Checkpoints.weights, _weights_of_the_newest])
def test_a_best_that_is_the_newest_is_noticed(best_of_five, monkeypatch, wrong):
    path, saved = best_of_five
    monkeypatch.setattr(Checkpoints, "best", wrong)
    with pytest.raises(AssertionError):
        _is_as_saved(load(path, best=True), 24, saved)


def test_another_machine_is_told(tmp_path, monkeypatch):
    path = _cut(_config(tmp_path), tmp_path / "run", 10)
    monkeypatch.setattr(machine_module.torch, "get_num_threads", lambda: 77)
    events = []
    resume(path, listen=events.append)
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert "threads: " in warning
    assert "77 now" in warning
    assert isinstance(events[-1], Finished)


def test_only_one_process_trains_a_run(tmp_path):
    path = _cut(_config(tmp_path), tmp_path / "run", 10)
    held = subprocess.Popen(
        [sys.executable, "-c", "import sys, fcntl, os, time\nfd = os.open(sys.argv[1], os.O_RDONLY)\n"
         "fcntl.flock(fd, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(60)", str(path)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert held.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="is being trained by another process"):
            resume(path)
    finally:
        held.kill()
        held.communicate()
    resume(path)


def test_an_older_run_goes_when_the_new_one_is_saved(tmp_path):
    config = _config(tmp_path)
    path = train(config, tmp_path / "run")
    before = _saved(path)
    with pytest.raises(RuntimeError, match="the lights went out"):
        train(config, path, overwrite=True, listen=_fail)
    assert _saved(path) == before
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []
    train(_config(tmp_path, seed=9), path, overwrite=True)
    assert _saved(path) != before
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def _fail(event):
    raise RuntimeError("the lights went out")


def test_a_listener_that_fails_loses_nothing(tmp_path):
    def listen(event):
        if isinstance(event, Stepped) and event.step == 23:
            raise OSError(28, os.strerror(28))

    config = _config(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        train(config, tmp_path / "run", listen=listen)
    assert load(tmp_path / "run").step == 23
    resume(tmp_path / "run")
    assert _saved(tmp_path / "run") == _saved(train(config, tmp_path / "whole"))


def test_a_mean_of_the_last_checkpoints(tmp_path):
    saved = {}

    def listen(event):
        if isinstance(event, Saved):
            saved[event.step] = load_file(_newest(tmp_path / "run") / "model.safetensors")

    path = train(_config(tmp_path, evaluations=5, keep=3), tmp_path / "run", listen=listen)
    assert len(list((path / "checkpoints").iterdir())) <= 4
    run = load(path, average=3)
    assert run.step == 60
    for name, value in run.model.state_dict().items():
        mean = torch.stack([saved[step][name].double() for step in (36, 48, 60)]).mean(dim=0)
        torch.testing.assert_close(value, mean.float(), rtol=0, atol=1e-7)
    _is_as_saved(load(path, average=1), 60, saved)
    with pytest.raises(RunError, match="4 checkpoints are to be averaged, .* keeps 3"):
        load(path, average=4)
    with pytest.raises(RunError, match="9 checkpoints are to be averaged, .* train with --keep 9"):
        load(path, average=9)
    with pytest.raises(ConfigError, match="1 or more, without --best"):
        load(path, average=2, best=True)
    with pytest.raises(ConfigError, match="1 or more"):
        load(path, average=-1)


@pytest.mark.parametrize("val_frac", [0.05, 0.0])
def test_a_mean_is_that_of_a_run_that_was_never_stopped(tmp_path, val_frac):
    """Stopped after an evaluation, and between two of them, where it saves as well."""
    config = _config(tmp_path, evaluations=5, keep=3, val_frac=val_frac)
    whole = train(config, tmp_path / "whole")
    part = _cut(config, tmp_path / "part", 40)
    for steps in (48, 50, 51):
        done = []
        resume(part, should_stop=lambda: bool(done) and done[-1] >= steps,
               listen=lambda event: done.append(event.step) if isinstance(event, Stepped) else None)  # fmt: skip
    resume(part)
    count = 3 if val_frac else 1
    for name, value in load(whole, average=count).model.state_dict().items():
        assert torch.equal(value, load(part, average=count).model.state_dict()[name])
    assert len(list((part / "checkpoints").iterdir())) <= 3 + 2


def test_an_old_best_is_no_part_of_a_mean(best_of_five):
    path, saved = best_of_five
    assert len(list((path / "checkpoints").iterdir())) == 3, "the newest two, and the best"
    with pytest.raises(RunError, match="3 checkpoints are to be averaged, .* keeps 2 and has 2 of the newest"):
        load(path, average=3)
    mean = load(path, average=2).model.state_dict()
    for name, value in mean.items():
        torch.testing.assert_close(value, (saved[48][name] + saved[60][name]) / 2, rtol=0, atol=1e-6)
