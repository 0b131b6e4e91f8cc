"""Real processes, ended at any moment: killed and resumed until they are done, or told to stop."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from unrolled import load

TEXT = "the cat sat on the mat, and the dog sat on the log.\n" * 40
OPTIONS = [
    "--cell", "rnn", "--hidden-size", "5", "--batch-size", "2", "--seq-length", "5", "--embedding-size", "2",
    "--dropout", "0.3", "--steps", "400", "--samples", "4", "--evaluations", "40", "--sample-length", "20",
]  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def _process(place, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "unrolled.cli.main", *arguments],
        cwd=place, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _weights(path):
    return (max((path / "checkpoints").iterdir()) / "model.safetensors").read_bytes()


def _until(process, event):
    """Wait until the process has told of such an event, or has ended."""
    for line in process.stdout:
        if f'"event": "{event}"'.encode() in line:
            return


def _go_on(place):
    """Train, or resume what is there."""
    if (place / "run" / "manifest.json").exists():
        return _process(place, "resume", "run", "--json")
    return _process(place, "train", "text.txt", *OPTIONS, "-o", "run", "--json")


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=[pytest.mark.proof, pytest.mark.timeout(3600)])])
def test_killed_at_random_moments(tmp_path, kills):
    """Each run is killed and resumed until it is done; its weights are the undisturbed run's."""
    (tmp_path / "text.txt").write_text(TEXT)
    undisturbed = _process(tmp_path, "train", "text.txt", *OPTIONS, "-o", "whole", "--json")
    _until(undisturbed, "prepared")
    started = time.monotonic()
    undisturbed.communicate()
    lasts = time.monotonic() - started
    rng, killed, done = random.Random(2), 0, 0
    while killed < kills or not done:
        process = _go_on(tmp_path)
        if rng.random() < 0.9:
            _until(process, "prepared")  # or the end: it was done already
            time.sleep(rng.random() * lasts * 0.6)
        else:
            time.sleep(rng.random() * 3)  # while it starts, too
        is_running = process.poll() is None
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert errors == b""
        killed += is_running
        if not is_running:
            assert _weights(tmp_path / "run") == _weights(tmp_path / "whole")
            subprocess.run(["rm", "-rf", tmp_path / "run"], check=True)
            done += 1


MOMENTS = ("stepped", "evaluated", "sampled")


@pytest.mark.parametrize("stops", [3, pytest.param(50, marks=[pytest.mark.proof, pytest.mark.timeout(3600)])])
def test_told_to_stop(tmp_path, stops):
    """SIGTERM after the first step: in training, in an evaluation, while it writes a sample. It saves and ends."""
    (tmp_path / "text.txt").write_text(TEXT)
    rng = random.Random(3)
    for number in range(stops):
        moment = MOMENTS[number % 3]
        lengths = {"stepped": (20, 3), "evaluated": (20, 150), "sampled": (20_000, 40)}[moment]
        process = _process(
            tmp_path, "train", "text.txt", *OPTIONS, "--steps", "100000", "--sample-length", str(lengths[0]),
            "--evaluations", str(lengths[1] * 1000), "--samples", "1000" if moment == "sampled" else "0",
            "-o", "run", "--overwrite", "--json",
        )  # fmt: skip
        _until(process, "stepped")
        time.sleep(rng.random())
        step = _logged(tmp_path)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=60)
        assert time.monotonic() - told < 10, moment
        assert (process.returncode, errors) == (128 + signal.SIGTERM, b"")
        assert b'"event": "saved"' in out
        assert load(tmp_path / "run").step >= step >= 1


def _logged(place):
    """The last step that is told of."""
    told = re.findall(r'"event": "stepped", "step": (\d+),', (place / "run" / "metrics.jsonl").read_text())
    return max(map(int, told))
