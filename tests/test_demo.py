"""The first command that a user gives, as it is installed: `unrolled train`, with nothing else."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

UNROLLED = Path(sysconfig.get_path("scripts")) / "unrolled"


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_the_demo(tmp_path):
    """On the standard library's text, with the default recipe: samples on the way, and a model that has learned."""
    ran = subprocess.run(
        [UNROLLED, "train", "--json", "--out", tmp_path / "run"],
        cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    samples, losses = _of("sampled", events), _of("evaluated", events)
    (finished,) = _of("finished", events)
    print(f"{finished['step']} steps, {finished['elapsed']:.1f} s, {losses[-1]['loss']:.3f} nats")
    assert len(samples) >= 4
    assert all(sample["text"].strip() for sample in samples)
    assert finished["reason"] in ("done", "time")  # another program may have come in between
    assert finished["elapsed"] <= 120
    assert losses[-1]["step"] == finished["step"]
    assert losses[-1]["loss"] <= 1.8
    assert len(list((tmp_path / "run" / "samples").iterdir())) == len(samples)
    looked = subprocess.run([UNROLLED, "look", "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert looked.returncode == 0, looked.stderr
    assert "100,000 characters" in looked.stdout
    assert 2e6 < (tmp_path / "run" / "report.html").stat().st_size < 12e6


def _of(kind, events):
    return [event for event in events if event["event"] == kind]
