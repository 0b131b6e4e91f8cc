"""A run survives what happens to it: it is killed, or its disk fails, at any of its file operations.

Whatever happens, what lies on the disk is no run yet, or a run that can be resumed; and its weights in the end are
those of a run that nothing happened to. The tests take some of the operations, the proofs all of them.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal

import pytest
import torch

from tests.runs.disk import Disk, Failing, Killing, in_a_child, using
from unrolled import TextConfig, UnrolledError, load
from unrolled.runs import resume, train

TEXT = "the cat sat on the mat, and the dog sat on the log.\n" * 3
OPTIONS = {
    "cell": "rnn", "hidden_size": 3, "batch_size": 2, "seq_length": 4, "sample_length": 2, "steps": 6, "samples": 2,
    "evaluations": 3, "embedding_size": 2,
}  # fmt: skip


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a fork has no other threads
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    yield TextConfig(**OPTIONS, data=[str(text)])
    torch.set_num_threads(threads)


def _weights(path):
    newest = max((path / "checkpoints").iterdir())
    return (newest / "model.safetensors").read_bytes()


def _fresh(tmp_path):
    for name in ("cache", "run"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    for left in tmp_path.glob(".run*"):
        shutil.rmtree(left)
    return tmp_path / "run"


def _goes_on(path, config, undisturbed):
    """Resume what is there, or start again where nothing is; the weights are in the end the undisturbed run's."""
    if path.exists():
        _never_half(path)
        resume(path)
    else:
        train(config, path)
    assert _weights(path) == undisturbed
    assert load(path).step == 6


def _never_half(path):
    """What can be loaded is whole, and nothing had to be passed over."""
    try:
        assert load(path).warnings == ()
    except UnrolledError as error:
        assert "stopped before its first save" in str(error)


def _calls(config, path):
    with using(Disk()) as disk:
        train(config, path)
    return disk.calls


def _some(points, everything):
    return points if everything else points[:: max(1, len(points) // 23)]


@pytest.mark.parametrize(
    "everything", [False, pytest.param(True, marks=[pytest.mark.proof, pytest.mark.timeout(1800)])]
)
def test_killed_at_any_file_operation(tmp_path, config, everything):
    path = _fresh(tmp_path)
    calls = _calls(config, path)
    undisturbed = _weights(path)
    points = [(number, "before") for number in range(1, len(calls) + 1)]
    points += [(number, "half") for number, name in enumerate(calls, 1) if name == "write"]
    points += [(number, "after") for number, name in enumerate(calls, 1) if name in ("rename", "fsync", "unlink")]
    assert len(points) >= 150
    for number, moment in _some(points, everything):
        path = _fresh(tmp_path)
        with using(Killing(number, moment)):
            status = in_a_child(lambda: train(config, path))
        assert os.WIFSIGNALED(status), (number, moment)
        assert os.WTERMSIG(status) == signal.SIGKILL
        _goes_on(path, config, undisturbed)


@pytest.mark.parametrize(
    "everything", [False, pytest.param(True, marks=[pytest.mark.proof, pytest.mark.timeout(1800)])]
)
def test_a_disk_that_fails_at_any_operation(tmp_path, config, everything):
    path = _fresh(tmp_path)
    calls = _calls(config, path)
    undisturbed = _weights(path)
    kinds = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EINTR)
    points = [(number, kind) for kind in kinds for number, name in enumerate(calls, 1)]
    assert len(points) >= 250
    for number, kind in _some(points, everything):
        path = _fresh(tmp_path)
        failed = False
        with using(Failing(number, kind)):
            try:
                train(config, path)
            except UnrolledError as error:
                failed = True
                assert os.strerror(kind) in str(error), (number, kind)
        assert not (failed and kind == errno.EINTR), (number, calls[number - 1])
        _goes_on(path, config, undisturbed)
        assert not list(tmp_path.glob(".run*")), (number, kind)
