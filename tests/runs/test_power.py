"""The power goes at any moment of a run: what was saved is there, whole; what was not yet saved is no half of one."""

from __future__ import annotations

import random
import shutil

import pytest

from tests.runs.disk import using
from tests.runs.power import Recording, after_a_cut, lay_out
from tests.runs.test_crash import OPTIONS, TEXT
from unrolled import TextConfig, UnrolledError
from unrolled import files as files_module
from unrolled.runs import Saved, resume, train
from unrolled.runs.folder import RunFolder

RUN = "new/folders/run"


def _recorded(tmp_path, monkeypatch):
    """A run that was made, and made longer, on a recording disk; after how many events it had saved which step."""
    place = tmp_path / "disk"
    place.mkdir()
    monkeypatch.setenv("UNROLLED_CACHE", str(place / "cache"))
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    saved = []
    with using(Recording(place)) as disk:

        def listen(event):
            if isinstance(event, Saved):
                saved.append((len(disk.events), event.step))

        train(TextConfig(**OPTIONS, data=[str(text)]), place / RUN, listen=listen)
        resume(place / RUN, 9, listen=listen)
    assert [step for _, step in saved] == [2, 4, 6, 9]
    return disk, saved


def _choices(rng):
    """Nothing unsynced lasts; everything does; and any mixture."""
    yield lambda count, is_bytes: [False] * count
    yield lambda count, is_bytes: [True] * count
    yield lambda count, is_bytes: ["zeros" if is_bytes else True] * count
    yield lambda count, is_bytes: ["torn" if is_bytes else True] * count
    while True:
        share = rng.random()
        yield lambda count, is_bytes: [
            rng.choice([True, "torn", "zeros"] if is_bytes else [True]) if rng.random() < share else False
            for _ in range(count)
        ]


@pytest.mark.parametrize("states", [250, pytest.param(6000, marks=[pytest.mark.proof, pytest.mark.timeout(1800)])])
def test_the_power_goes(tmp_path, monkeypatch, states):
    disk, saved = _recorded(tmp_path, monkeypatch)
    rng = random.Random(5)
    made = next(place for place, event in enumerate(disk.events) if event[0] == "move" and event[-1] == "run") + 2
    ends = [*range(1, len(disk.events) + 1)]
    if states < len(ends):
        ends = sorted(rng.sample(ends, states // 5))
    each = -(-states // len(ends))
    tried = 0
    for end in ends:
        for _, choose in zip(range(each), _choices(rng), strict=False):
            left = tmp_path / "left"
            lay_out(left, disk.root, *after_a_cut(disk.events[:end], choose))
            step = _check(left / RUN, must_be_there=end >= made)
            assert step >= max([step for place, step in saved if place <= end], default=0), end
            shutil.rmtree(left)
            tried += 1
    assert tried >= states


def _check(path, *, must_be_there):
    """The step of the newest checkpoint; nothing that is there is damaged."""
    if not path.exists() and not must_be_there:
        return 0
    folder = RunFolder.at(path)
    identity = folder.identity()
    folder.data(identity)
    found = folder.checkpoints.weights(identity.expected())
    if found is None:
        return 0
    assert not found.damaged
    metrics = path / "metrics.jsonl"
    assert metrics.stat().st_size >= found.standing.metrics
    return found.standing.progress.step


@pytest.mark.parametrize("forgotten", ["fsync of files", "fsync of folders", "rename"])
def test_the_test_would_notice(tmp_path, monkeypatch, forgotten):
    """Without a sync, or with files written in place, some power cut leaves half a save."""
    if forgotten == "fsync of files":
        monkeypatch.setattr(files_module, "write", _unsynced_write)
    elif forgotten == "fsync of folders":
        monkeypatch.setattr(files_module, "sync", lambda path: None)
    else:
        monkeypatch.setattr(files_module, "rename", _rename_without_its_folder)
    disk, saved = _recorded(tmp_path, monkeypatch)
    monkeypatch.undo()
    rng, bad = random.Random(3), 0
    for end in range(1, len(disk.events) + 1, 7):
        for _, choose in zip(range(4), _choices(rng), strict=False):
            left = tmp_path / "left"
            lay_out(left, disk.root, *after_a_cut(disk.events[:end], choose))
            try:
                step = _check(left / RUN, must_be_there=bool(saved) and end >= saved[0][0])
                bad += step < max([step for place, step in saved if place <= end], default=0)
            except (UnrolledError, AssertionError, OSError):
                bad += 1
            shutil.rmtree(left)
    assert bad


def _unsynced_write(path, blocks):
    content = b"".join(blocks)
    files_module.append(path, content)
    return files_module.sha256_of(content)


def _rename_without_its_folder(old, new):
    files_module.system.rename(old, new)
