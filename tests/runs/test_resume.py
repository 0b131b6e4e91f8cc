"""A resumed run is the run that was never stopped: bit for bit, in a new process, wherever it was cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from unrolled import ConfigError, RunConfig, RunError, load
from unrolled.runs import AlreadyDone, Warned, resume, train
from unrolled.runs import machine as machine_module
from unrolled.training import Evaluated, Finished, Stepped

TEXT = "the cat sat on the mat, and the dog sat on the log.\n" * 60  # 46 chunks of 4 x 16 an epoch
SIZES = {"hidden_size": 7, "batch_size": 4, "seq_length": 16, "sample_length": 8, "num_layers": 2, "steps": 60}
SHORT = TEXT[: 4 * 16 * 11 + 1]  # 10 chunks an epoch, a tenth held out

CELLS = ("lstm", "gru", "gru_v3", "rnn", "lstm(projection=3)")
OPTIMIZERS = ("adamw", "rmsprop", "adagrad")
CUTS = {"in the warm-up": 1, "stable": 7, "at an epoch's end": 9, "in the decay": 12, "before the last": 15}
CASES = [
    (cell, optimizer, dropout, cut)
    for cell in CELLS
    for optimizer in OPTIMIZERS
    for dropout, cut in zip((0.0, 0.4, 0.3, 0.2, 0.1), CUTS, strict=True)
]

RESUME = "import sys; from unrolled.runs import resume\nfor path in sys.argv[1:]: resume(path)"


def _config(tmp_path, **options):
    text = tmp_path / "text.txt"
    if not text.exists():
        text.write_text(TEXT)
    return RunConfig(**SIZES | {"data": [str(text)], "warmup": 6, "evaluations": 4, "samples": 3} | options)


def _newest(path):
    return max((path / "checkpoints").iterdir())


def _saved(path):
    """The weights, and everything else that a checkpoint holds of training."""
    return [(_newest(path) / name).read_bytes() for name in ("model.safetensors", "state.safetensors")]


def _cut(config, path, steps):
    """A run that was stopped after so many steps."""
    done = []

    def listen(event):
        if isinstance(event, Stepped):
            done.append(event.step)

    train(config, path, listen=listen, should_stop=lambda: bool(done) and done[-1] >= steps)
    return path


def test_a_resumed_run_is_the_run_that_was_never_stopped(tmp_path):
    """75 cases: cells x optimisers x dropout x where it was cut; the text is changed meanwhile."""
    whole, parts, text = {}, {}, tmp_path / "text.txt"
    text.write_text(SHORT)
    for number, (cell, optimizer, dropout, cut) in enumerate(CASES):
        config = _config(tmp_path, cell=cell, optimizer=optimizer, dropout=dropout, seed=number, steps=16, warmup=2)
        whole[number] = train(config, tmp_path / f"whole-{number}")
        parts[number] = _cut(config, tmp_path / f"part-{number}", CUTS[cut])
    text.write_text("another text")
    subprocess.run([sys.executable, "-c", RESUME, *map(str, parts.values())], check=True, timeout=280)
    different = [CASES[number] for number in whole if _saved(whole[number]) != _saved(parts[number])]
    assert not different
    assert len(whole) >= 60


def _events(path, kind):
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [[line[name] for name in ("step", "loss")] for line in lines if line["event"] == kind]


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


def test_a_time_limit_is_turned_into_steps_once(tmp_path):
    events = []
    config = _config(tmp_path, steps=None, minutes=0.02)
    path = train(config, tmp_path / "run", listen=events.append, should_stop=lambda: len(events) > 40)
    planned = json.loads((_newest(path) / "state.json").read_text())["progress"]["total"]
    resume(path)
    progress = json.loads((_newest(path) / "state.json").read_text())["progress"]
    if planned is not None:  # on a machine too slow for that, nothing was planned yet
        assert progress["total"] == progress["step"] == planned


def test_the_best_is_remembered(tmp_path):
    """The loss rises at last, with a rate far too high: the best checkpoint stays, and can be used."""
    config = _config(tmp_path, learning_rate=0.05, steps=40, decay=0.0, explosion=0.0)
    events = []
    path = train(config, tmp_path / "run", listen=events.append)
    losses = {event.step: event.loss for event in events if isinstance(event, Evaluated)}
    best = min(losses, key=losses.get)
    resume(path, 44)
    assert load(path, best=True).step in (best, 44)
    assert load(path).step == 44
    assert len(list((path / "checkpoints").iterdir())) <= 3


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
