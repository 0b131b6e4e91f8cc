"""What attackers tried: links in the place of a run's parts, races, replacements that are interrupted, odd places."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from unrolled import ConfigError, DataError, RunError, TextConfig, files, load, resume, train
from unrolled.data import encode, found
from unrolled.data.streams import side_by_side
from unrolled.runs import Saved, compare
from unrolled.runs import folder as folder_module
from unrolled.runs.folder import RunFolder
from unrolled.runs.place import aside_of
from unrolled.runs.tasks import DataFile

TEXT = "the cat sat on the mat.\n" * 40


def _config(tmp_path, **options):
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    small = {"steps": 4, "hidden_size": 3, "batch_size": 2, "seq_length": 5, "sample_length": 5, "samples": 2}
    return TextConfig(**{"data": [str(text)], **small, **options})


@pytest.mark.parametrize("name", ["checkpoints", "samples", "metrics.jsonl"])
def test_what_lies_behind_a_link_is_not_touched(tmp_path, name):
    path = train(_config(tmp_path), tmp_path / "run")
    (path / name).rename(tmp_path / "elsewhere")
    (path / name).symlink_to(tmp_path / "elsewhere")
    if name != "metrics.jsonl":
        (tmp_path / "elsewhere" / "99999").mkdir()
    before = sorted((one, one.stat().st_size) for one in (tmp_path / "elsewhere").rglob("*"))
    with pytest.raises(RunError, match="symbolic link"):
        resume(path, 8)
    assert sorted((one, one.stat().st_size) for one in (tmp_path / "elsewhere").rglob("*")) == before


def test_cut_does_not_follow_a_link(tmp_path):
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=os.strerror(40)):
        files.cut(tmp_path / "link", 0)
    assert (tmp_path / "other").read_bytes() == b"precious"


def test_an_interrupt_while_the_older_run_is_removed_keeps_the_new_one(tmp_path, monkeypatch):
    path = train(_config(tmp_path), tmp_path / "run")
    real = files.remove

    def interrupted(target):
        if target == aside_of(path):
            real(target / "config.json")
            raise KeyboardInterrupt
        real(target)

    monkeypatch.setattr(files, "remove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(_config(tmp_path, seed=2), path, overwrite=True)
    monkeypatch.undo()
    assert RunFolder.at(path).identity().config.seed == 2
    resume(path)


def test_a_failed_replacement_leaves_what_another_process_made(tmp_path, monkeypatch):
    path = train(_config(tmp_path), tmp_path / "run")
    other = train(_config(tmp_path, seed=3), tmp_path / "other")
    real = RunFolder.create.__func__

    def create(cls, target, *rest):
        shutil.copytree(other, target)
        return real(cls, target, *rest)

    monkeypatch.setattr(RunFolder, "create", classmethod(create))
    with pytest.raises(RunError, match="holds a run already"):
        train(_config(tmp_path, seed=2), path, overwrite=True)
    assert RunFolder.at(path).identity().config.seed == 3
    assert RunFolder.at(aside_of(path)).identity().config.seed == 1


def test_runs_on_one_text_share_no_file(tmp_path):
    first, second = (train(_config(tmp_path), tmp_path / name) for name in ("a", "b"))
    content = bytearray((first / "text.bin").read_bytes())
    content[0] ^= 1
    with (first / "text.bin").open("r+b") as file:
        file.write(content)
    resume(second, 6)
    with pytest.raises(RunError, match="damaged"):
        resume(first, 6)
    train(_config(tmp_path), tmp_path / "c")


def test_what_a_killed_maker_left_is_removed(tmp_path):
    left = tmp_path / ".run.new-12345678"
    left.mkdir()
    (left / "text.bin").write_bytes(b"x")
    busy = tmp_path / ".run.new-87654321"
    busy.mkdir()
    (busy / "text.bin").write_bytes(b"x")
    with files.locked(busy):
        train(_config(tmp_path), tmp_path / "run")
    assert not left.exists()
    assert busy.exists()


def test_a_taken_place_is_told_before_any_work(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="is not a run"):
            train(_config(tmp_path, data=[str(tmp_path / "missing.txt")]), tmp_path / "run", overwrite=overwrite)


def test_looking_at_runs_does_not_keep_one_from_being_trained(tmp_path):
    path = train(_config(tmp_path), tmp_path / "run")
    looking = subprocess.Popen(
        [sys.executable, "-c",
         "import fcntl, os, sys, time\n"
         "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
         "print('held', flush=True)\ntime.sleep(0.1)", str(path)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    looking.stdout.readline()
    resume(path, 6)
    looking.communicate()


def test_one_run_twice_is_no_comparison(tmp_path):
    path = train(_config(tmp_path), tmp_path / "run")
    (tmp_path / "same").symlink_to(path)
    with pytest.raises(RunError, match="two different runs"):
        compare([path, tmp_path / "run" / ".." / "run", tmp_path / "same"])


def test_texts_too_short_for_a_batch_are_told_at_once(tmp_path):
    with pytest.raises(DataError, match="one chunk of 1000000000 streams"):
        side_by_side([range(100), range(100)], 10**9, 5)


def test_no_run_is_made_longer_than_anybody_can_count(tmp_path):
    path = train(_config(tmp_path), tmp_path / "run")
    with pytest.raises(ConfigError, match="at most 1,000,000,000,000"):
        resume(path, 10**13)


def test_the_untrained_model_is_never_the_best(tmp_path):
    events = []
    path = train(_config(tmp_path, steps=None, minutes=5e-324), tmp_path / "run", listen=events.append)
    best = [json.loads(one.read_text())["progress"]["best"] for one in path.glob("checkpoints/*/state.json")]
    assert any(isinstance(event, Saved) for event in events)
    assert all(one is None or one["step"] > 0 for one in best)


def test_a_split_by_streams_may_hold_nothing_out(tmp_path):
    train(_config(tmp_path, split="streams", val_frac=0.0), tmp_path / "run")


def test_without_a_home_a_text_is_kept_for_the_process(tmp_path, monkeypatch):
    monkeypatch.delenv("UNROLLED_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "~no-such-user-here")
    with found(_config(tmp_path).data) as places:
        assert encode(places, "characters", 2, "concatenated").path.exists()


def test_several_processes_encode_one_text_at_once(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    work = (
        "import sys\nfrom unrolled.data import encode, found\n"
        "sys.stdin.read()\n"
        "with found(sys.argv[1:]) as places:\n"
        "    assert encode(places, 'characters', 2, 'concatenated').path.read_bytes()\n"
    )
    environment = {**os.environ, "UNROLLED_CACHE": str(tmp_path / "cache")}
    workers = [
        subprocess.Popen([sys.executable, "-c", work, str(tmp_path / "text.txt")], stdin=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=environment)
        for _ in range(4)
    ]  # fmt: skip
    for one in workers:  # (none encodes before all are there)
        one.stdin.write(b"go")
    told = [one.communicate()[1] for one in workers]
    assert [one.returncode for one in workers] == [0] * 4, told


def test_signals_that_were_ignored_stay_ignored(tmp_path):
    _config(tmp_path)
    process = subprocess.run(
        [sys.executable, "-c",
         "import os, signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
         "from unrolled.cli.signals import StopSignals\n"
         "with StopSignals() as stop:\n    os.kill(os.getpid(), signal.SIGHUP)\n    assert not stop()"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr


def test_sigterm_before_there_is_work_exits_as_sigterm(tmp_path):
    fifo = tmp_path / "text"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [sys.executable, "-m", "unrolled.cli.main", "train", str(fifo), "-o", str(tmp_path / "run")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with fifo.open("w"):  # it has come to reading
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", [".run.new-notes", ".run.new-0123abcd", ".run.old"])
def test_what_is_not_ours_is_not_removed(tmp_path, name):
    """Folders that look like leftovers of a run, and hold something else."""
    other = tmp_path / name
    other.mkdir()
    (other / "letter.txt").write_text("precious")
    path = tmp_path / "run"
    train(_config(tmp_path), path)
    if name == ".run.old":
        with pytest.raises(RunError, match=r"\.run\.old exists and is not a run"):
            train(_config(tmp_path), path, overwrite=True)
    assert (other / "letter.txt").read_text() == "precious"


def test_a_run_that_could_not_be_read_back_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "_OWN", (DataFile("cell.json", 100),))
    with pytest.raises(RunError, match=r"cell\.json would have .* bytes, more than the 100 that are read back"):
        train(_config(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_older_run_is_told_of(tmp_path):
    """The process was killed while it replaced a run, before its first save."""
    path = tmp_path / "run"
    train(_config(tmp_path), path)
    path.rename(tmp_path / ".run.old")
    shutil.copytree(tmp_path / ".run.old", path)
    shutil.rmtree(path / "checkpoints")
    (path / "checkpoints").mkdir()
    with pytest.raises(RunError, match=r"no weights.*The older run that it was to replace lies in .*\.run\.old"):
        load(path)


def test_a_pipe_in_the_place_of_the_metrics_stops_nothing_for_ever(tmp_path):
    path = tmp_path / "run"
    train(_config(tmp_path), path)
    (path / "metrics.jsonl").unlink()
    os.mkfifo(path / "metrics.jsonl")
    with pytest.raises(RunError, match="cannot be written"):
        resume(path, 20)


def test_folders_that_are_no_checkpoints_hide_none(tmp_path):
    path = tmp_path / "run"
    train(_config(tmp_path), path)
    step = load(path).step
    for number in range(101, 110):
        (path / "checkpoints" / f"{number:04d}").mkdir()
    found = load(path)
    assert found.step == step
    assert found.warnings


def test_an_empty_folder_of_samples_may_be_missing(tmp_path):
    """Git keeps no empty folders."""
    path = tmp_path / "run"
    train(_config(tmp_path, samples=0), path)
    (path / "samples").rmdir()
    assert resume(path, 20) == path


@pytest.mark.parametrize("line", ["torch.set_default_dtype(torch.float64)", "torch.set_default_device('meta')",
                                  "torch.set_grad_enabled(False)"])  # fmt: skip
def test_a_file_of_cells_does_not_change_torch(tmp_path, line):
    file = tmp_path / "mine.py"
    file.write_text(
        f"import torch\nfrom unrolled import cell\nfrom unrolled.ops import affine, tanh\n{line}\n\n"
        "@cell\ndef mine(x, h):\n    return tanh(affine(x, h))\n"
    )
    path = tmp_path / "run"
    train(_config(tmp_path, cell=f"{file}:mine"), path)
    file.unlink()
    assert load(resume(path, 20)).step == 20
