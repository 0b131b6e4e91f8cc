"""Runs that are damaged, and runs that somebody made to do harm: each is noticed before anything is believed."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import struct
import sys
import time
from pathlib import Path

import pytest
import torch

from unrolled import RunError, TextConfig, UnrolledError, load
from unrolled.runs import resume, train
from unrolled.runs.checkpoints import MODEL, STANDING, TENSORS
from unrolled.runs.folder import RunFolder
from unrolled.runs.layout import CELL, CONFIG
from unrolled.runs.manifest import NAME, FileFacts, Manifest
from unrolled.runs.tasks.text import ABOUT, TEXT, TOKENIZER
from unrolled.runs.training import _trainer

WORDS = "the cat sat on the mat, and the dog sat on the log.\n" * 3
OPTIONS = {
    "hidden_size": 3, "batch_size": 2, "seq_length": 4, "sample_length": 2, "steps": 9, "samples": 1, "cell": "gru",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with several checkpoints, and one with a single one."""
    place = tmp_path_factory.mktemp("made")
    text = place / "text.txt"
    text.write_text(WORDS)
    several = TextConfig(**OPTIONS, data=[str(text)], evaluations=3)
    train(several, place / "several")
    train(TextConfig(**OPTIONS | {"data": [str(text)], "evaluations": 1, "samples": 0}), place / "single")
    for number in _numbers(place / "single")[1:]:
        shutil.rmtree(place / "single" / "checkpoints" / f"{number:04d}")
    return place


def _numbers(path):
    return RunFolder(path).checkpoints.numbers()


def _newest(path):
    return path / "checkpoints" / f"{_numbers(path)[0]:04d}"


def _resumable(path):
    """What a resume would go on from: its step, and what had to be passed over. As `resume`, without the training."""
    folder = RunFolder.at(path)
    trainer, _ = _trainer(folder, folder.identity())
    found, _ = folder.checkpoints.newest(trainer.task.model.state_dict(), lambda one: one.tensors(trainer.expected()))
    return found.standing.progress.step, found.damaged


def _damage(content, rng):
    """One bit flipped, the end cut off, a piece lost, or bytes that are another's."""
    content = bytearray(content)
    place = rng.randrange(len(content))
    kind = rng.choice(["flip", "flip", "cut", "lose", "zero", "more"])
    if kind == "flip":
        content[place] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del content[place:]
    elif kind == "lose":
        del content[place : place + rng.randint(1, 9)]
    elif kind == "zero":
        content[place : place + 9] = bytes(len(content[place : place + 9]))
    else:
        content += b"\0"
    return bytes(content)


@pytest.mark.parametrize("count", [120, pytest.param(1000, marks=pytest.mark.proof)])
def test_flipped_bytes_and_truncations(tmp_path, made, count):
    path = shutil.copytree(made / "several", tmp_path / "run")
    newest = _newest(path)
    before = int(_resumable(path)[0]), _numbers(path)
    assert len(before[1]) >= 2
    targets = [path / name for name in (CONFIG, CELL, TOKENIZER, ABOUT, TEXT, NAME)]
    targets += [newest / name for name in (MODEL, TENSORS, STANDING, NAME)]
    rng = random.Random(11)
    for number in range(count):
        target = targets[number % len(targets)]
        content = target.read_bytes()
        damaged = _damage(content, rng)
        if damaged == content:
            damaged = content[:-1]
        target.write_bytes(damaged)
        if target.parent == newest:
            step, passed_over = _resumable(path)
            assert step < before[0]
            assert len(passed_over) == 1
            assert str(newest) in passed_over[0]
        else:
            with pytest.raises(RunError):
                _resumable(path)
        target.write_bytes(content)
    assert _resumable(path) == (before[0], ())


def test_a_resume_passes_a_damaged_checkpoint_over_and_says_so(tmp_path, made):
    path = shutil.copytree(made / "several", tmp_path / "run")
    whole = (_newest(path) / MODEL).read_bytes()
    (_newest(path) / MODEL).write_bytes(whole[:-1] + b"\0")
    (warning,) = load(path).warnings
    assert "is damaged: it is not as it was written" in warning
    assert "The checkpoint before it is used, of step 6" in warning
    events = []
    resume(path, listen=events.append)
    assert [event.message for event in events if type(event).__name__ == "Warned"] == [warning]
    assert (_newest(path) / MODEL).read_bytes() == whole
    assert load(path).warnings == ()


def test_when_all_are_damaged(tmp_path, made):
    path = shutil.copytree(made / "several", tmp_path / "run")
    for one in (path / "checkpoints").iterdir():
        (one / STANDING).write_text("{}")
    with pytest.raises(RunError, match=r"no checkpoint of the run can be read: .*Train it again"):
        load(path)


# Below, whoever made the run knew how it is checked: sizes and hashes in the manifest are right.


def _facts(folder):
    names = [one for one in json.loads((folder / NAME).read_text())["files"] if (folder / one).is_file()]
    return {one: FileFacts(size=(folder / one).stat().st_size, sha256=_sha(folder / one)) for one in names}


def _sha(path):
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _put(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / NAME).write_bytes(Manifest(files=_facts(folder)).to_bytes())


def _json(name, **changes):
    """A file of JSON with other values; `a__b` is b within a."""

    def attack(path):
        folder = _newest(path) if name == STANDING else path
        values = json.loads((folder / name).read_text())
        for key, value in changes.items():
            inner = values
            *above, last = key.split("__")
            for one in above:
                inner = inner[one]
            inner[last] = value
        _put(folder, name, json.dumps(values))

    return attack


def _bytes(name, content):
    return lambda path: _put(_newest(path) if name in (MODEL, TENSORS, STANDING) else path, name, content)


def _header(change, name=MODEL, more=b""):
    """A safetensors file with another header; its length fits."""

    def attack(path):
        folder = _newest(path)
        content = (folder / name).read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        answer = change(header)
        told = answer if isinstance(answer, bytes) else json.dumps(header).encode()
        _put(folder, name, struct.pack("<Q", len(told)) + told + content[8 + length :] + more)

    return attack


def _entry(**changes):
    def change(header):
        header["read_out.weight"].update(changes)

    return _header(change)


def _values(value):
    def attack(path):
        folder = _newest(path)
        content = (folder / MODEL).read_bytes()
        _put(folder, MODEL, content[:-4] + struct.pack("<f", value))

    return attack


def _instead(name, make):
    """Something else in the place of a file; the manifest stays."""

    def attack(path):
        target = (_newest(path) if name in (MODEL, TENSORS, STANDING) else path) / name
        target.unlink()
        make(target)

    return attack


def _link(target):
    def make(path):
        real = path.with_name("real")
        if target is None:
            real.write_bytes(b"{}")
        path.symlink_to(real if target is None else target)

    return make


def _manifest(**changes):
    def attack(path):
        values = json.loads((path / NAME).read_text())
        values.update(changes)
        (path / NAME).write_text(json.dumps(values, indent=1, sort_keys=True))

    return attack


def _named(name):
    def attack(path):
        values = json.loads((path / NAME).read_text())
        values["files"][name] = values["files"].pop(CELL)
        (path / NAME).write_text(json.dumps(values, indent=1, sort_keys=True))

    return attack


def _deep(opening, closing, count=200_000):
    return opening * count + closing * count


def _folder_in_place(path):
    path.mkdir()


def _linked_checkpoints(path):
    (path / "checkpoints").rename(path.parent / "elsewhere")
    (path / "checkpoints").symlink_to(path / "checkpoints")


def _a_file_as_checkpoint(path):
    shutil.rmtree(_newest(path))
    (path / "checkpoints" / "0001").write_text("x")


def _many_checkpoints(path):
    shutil.rmtree(_newest(path))
    for number in range(1, 3000):
        (path / "checkpoints" / f"{number:04d}").mkdir()


GRAPH = {
    "version": 1, "cell": "x", "input": 0, "output": 1, "parameters": [], "names": {},
    "nodes": [{"operation": "input", "width": "D"}, {"operation": "state", "width": "H", "attributes": {"name": "h"}}],
    "states": [{"name": "h", "width": "H", "before": 1, "after": 1}],
}  # fmt: skip
WIDE = {"operation": "concat", "operands": [1] * 900, "width": "900H"}
WIDER = {"operation": "concat", "operands": [2] * 900, "width": "810000H"}


def _many(count, entry):
    """So many entries of an object of JSON, each under a name of its own."""
    told = json.dumps(entry)
    return ", ".join(f'"t{number}": {told}' for number in range(count))


def _nodes(count):
    def attack(path):
        nodes = ", ".join([json.dumps(GRAPH["nodes"][0])] * count)
        _put(path, CELL, json.dumps(GRAPH | {"nodes": "HERE"}).replace('"HERE"', f"[{nodes}]"))

    return attack


def _operations(count):
    """A graph in order, of so many operations one after another; not the run's."""

    def attack(path):
        row = [{"operation": "tanh", "operands": [place + 1], "width": "H"} for place in range(count)]
        states = [GRAPH["states"][0] | {"after": count + 1}]
        _put(path, CELL, json.dumps(GRAPH | {"nodes": GRAPH["nodes"] + row, "states": states, "output": count + 1}))

    return attack


def _files(count):
    facts = {"size": 1, "sha256": "0" * 64}
    return lambda path: (path / NAME).write_text(f'{{"files": {{{_many(count, facts)}}}, "format": 1}}')


def _tensors(count):
    return _header(lambda h: json.dumps(h)[:-1].encode() + b", " + _many(count, h["read_out.bias"]).encode() + b"}")


HOSTILE = {
    "config: empty": _bytes(CONFIG, ""),
    "config: not JSON": _bytes(CONFIG, "{"),
    "config: a list": _bytes(CONFIG, "[]"),
    "config: not UTF-8": _bytes(CONFIG, b"\xff\xfe{}"),
    "config: deep": _bytes(CONFIG, _deep("[", "]")),
    "config: deep objects": _bytes(CONFIG, _deep('{"a":', "}").replace("}", "1}", 1)),
    "config: twice the same key": _bytes(CONFIG, '{"format": 2, "format": 2}'),
    "config: two mebibytes": _bytes(CONFIG, '{"data": ["' + "x" * (1 << 21) + '"]}'),
    "config: another format": _json(CONFIG, format=3),
    "config: an unknown option": _json(CONFIG, colour="red"),
    "config: a huge hidden size": _json(CONFIG, hidden_size=1_000_000, num_layers=1000),
    "config: a hidden size of 30 digits": _json(CONFIG, hidden_size=10**30),
    "config: 5,000 digits": _bytes(CONFIG, '{"format": ' + "9" * 5000 + "}"),
    "config: half a unit": _json(CONFIG, hidden_size=2.5),
    "config: no unit": _json(CONFIG, hidden_size=0),
    "config: another size": _json(CONFIG, hidden_size=4),
    "config: a rate that is no number": _json(CONFIG, learning_rate=float("nan")),
    "config: an infinite rate": _json(CONFIG, learning_rate=float("inf")),
    "config: a text for a number": _json(CONFIG, batch_size="2"),
    "config: another type of number": _json(CONFIG, precision="int8"),
    "config: float64 for float32": _json(CONFIG, precision="float64"),
    "config: an optimiser of its own": _json(CONFIG, optimizer="os.system"),
    "config: a long batch": _json(CONFIG, batch_size=10**15),
    "config: a long chunk": _json(CONFIG, seq_length=10**15),
    "cell: empty": _bytes(CELL, ""),
    "cell: deep": _bytes(CELL, _deep("[", "]")),
    "cell: an operation of its own": _bytes(CELL, json.dumps(GRAPH | {"nodes": [{"operation": "__import__"}]})),
    "cell: another cell": _bytes(CELL, json.dumps(GRAPH)),
    "cell: a width beyond all": _bytes(CELL, json.dumps(GRAPH | {"states": [{"name": "h", "width": "9999999999H"}]})),
    "cell: widths that multiply": _bytes(CELL, json.dumps(GRAPH | {"nodes": [*GRAPH["nodes"], WIDE, WIDER]})),
    "cell: an output beyond memory": _bytes(
        CELL, json.dumps(GRAPH | {"nodes": [*GRAPH["nodes"], WIDE, WIDER, WIDER | {"operands": [3] * 900}]})
    ),
    "cell: a state called __class__": _bytes(
        CELL, json.dumps(GRAPH | {"states": [GRAPH["states"][0] | {"name": "__class__"}]})
    ),
    "cell: a million nodes": _nodes(1_000_000),
    "cell: 27,000 nodes, which fit into a file": _nodes(27_000),
    "cell: 15,000 operations, which fit into a file": _operations(15_000),
    "tokenizer: empty": _bytes(TOKENIZER, ""),
    "tokenizer: deep": _bytes(TOKENIZER, _deep("[", "]")),
    "tokenizer: a number": _bytes(TOKENIZER, "7"),
    "tokenizer: none of its kind": _bytes(TOKENIZER, '{"kind": "os"}'),
    "tokenizer: no object": _bytes(TOKENIZER, '{"kind": "pairs", "tokenizer": "x"}'),
    "text.json: empty": _bytes(ABOUT, ""),
    "text.json: a part below zero": _json(ABOUT, parts=[-5, 161]),
    "text.json: another length": _json(ABOUT, parts=[155]),
    "text.json: parts beyond all": _json(ABOUT, parts=[10**30]),
    "text.json: another width": _json(ABOUT, width=8),
    "text: ids beyond the vocabulary": lambda path: _put(path, TEXT, b"\xff" * (path / TEXT).stat().st_size),
    "text: longer": lambda path: _put(path, TEXT, (path / TEXT).read_bytes() + b"\0"),
    "text: a link": _instead(TEXT, _link("/etc/passwd")),
    "manifest: empty": lambda path: (path / NAME).write_text(""),
    "manifest: deep": lambda path: (path / NAME).write_text(_deep("[", "]")),
    "manifest: another format": _manifest(format=2),
    "manifest: more than it should": _manifest(code="import os"),
    "manifest: a path upwards": _named("../../etc/passwd"),
    "manifest: a path from the root": _named("/etc/passwd"),
    "manifest: a huge size": _manifest(files={CELL: {"size": 10**30, "sha256": "0" * 64}}),
    "manifest: a million files": _files(1_000_000),
    "manifest: 9,000 files, which fit into a file": _files(9_000),
    "manifest: a pipe": _instead(NAME, os.mkfifo),
    "a cell that is a link": _instead(CELL, _link(None)),
    "a cell that is a pipe": _instead(CELL, os.mkfifo),
    "a cell that is a folder": _instead(CELL, _folder_in_place),
    "a cell that is a device": _instead(CELL, _link("/dev/zero")),
    "weights: empty": _bytes(MODEL, b""),
    "weights: seven bytes": _bytes(MODEL, b"\0" * 7),
    "weights: a header longer than the file": _bytes(MODEL, struct.pack("<Q", 10_000) + b"{}"),
    "weights: a header of 2^63": _bytes(MODEL, struct.pack("<Q", 1 << 63) + b"{}"),
    "weights: a deep header": _header(lambda _: _deep("[", "]").encode()),
    "weights: not UTF-8": _header(lambda _: b"\xff\xfe"),
    "weights: twice the same tensor": _header(lambda h: json.dumps(h).encode()[:-1] + b', "read_out.bias": {}}'),
    "weights: a million tensors": _tensors(1_000_000),
    "weights: 50,000 tensors": _header(lambda h: h.update({f"t{n}": h["read_out.bias"] for n in range(50_000)})),
    "weights: one tensor more": _header(lambda h: h.update(more=h["read_out.bias"])),
    "weights: one tensor less": _header(lambda h: h.pop("read_out.bias") and None),
    "weights: a name upwards": _header(lambda h: h.update({"../x": h.pop("read_out.bias")})),
    "weights: metadata": _header(lambda h: h.update(__metadata__={"a": "b"})),
    "weights: a huge shape": _entry(shape=[1 << 62, 4]),
    "weights: a shape below zero": _entry(shape=[-1, 3]),
    "weights: another shape": _entry(shape=[3, 16]),
    "weights: another type": _entry(dtype="I32"),
    "weights: a type of its own": _entry(dtype="pickle"),
    "weights: no place": _entry(data_offsets=None),
    "weights: a place below zero": _entry(data_offsets=[-192, 0]),
    "weights: a place in words": _entry(data_offsets=["0", "192"]),
    "weights: true as a place": _entry(data_offsets=[False, True]),
    "weights: a place of another": _entry(data_offsets=[0, 192]),
    "weights: a place behind the end": _entry(data_offsets=[10**9, 10**9 + 192]),
    "weights: one key more": _entry(code="x"),
    "weights: bytes behind the end": _header(lambda _: None, more=b"\0" * 8),
    "weights: NaN": _values(float("nan")),
    "weights: infinity": _values(float("inf")),
    "weights: a link": _instead(MODEL, _link(None)),
    "weights: a pipe": _instead(MODEL, os.mkfifo),
    "states: empty": _bytes(TENSORS, b""),
    "states: a huge header": _bytes(TENSORS, struct.pack("<Q", 1 << 62)),
    "states: one tensor more": _header(lambda h: h.update(more=h["carried.h"]), TENSORS),
    "states: no state": _header(lambda h: h.pop("carried.h") and None, TENSORS),
    "states: an optimiser's entry of nothing": _header(lambda h: h.update({"optimizer.zzz": None}), TENSORS),
    "states: no second moment": _header(
        lambda h: h.pop(next(name for name in h if name.endswith("exp_avg_sq"))) and None, TENSORS
    ),
    "standing: far behind the end": _json(STANDING, progress__step=10**9),
    "standing: all the way and more": _json(STANDING, progress__looked_until=1e308),
    "standing: the best is yet to come": _json(STANDING, progress__best={"step": 10**6, "loss": 1.0}),
    "standing: evaluations of 400 digits": _json(STANDING, progress__evaluations=10**400),
    "standing: empty": _bytes(STANDING, ""),
    "standing: deep": _bytes(STANDING, _deep("[", "]", 9_000)),
    "standing: a step below zero": _json(STANDING, progress__step=-1),
    "standing: a step of 30 digits": _json(STANDING, progress__step=10**30),
    "standing: half a step": _json(STANDING, progress__step=2.5),
    "standing: a time that is no number": _json(STANDING, progress__elapsed=float("nan")),
    "standing: a machine of its own": _json(STANDING, machine={"code": "x"}),
    "standing: metrics below zero": _json(STANDING, metrics=-1),
    "checkpoints: a link in a circle": _linked_checkpoints,
    "checkpoints: a file": _a_file_as_checkpoint,
    "checkpoints: thousands": _many_checkpoints,
}

# What nothing may ask the system for while a run is read. (A run that is refused is not written to either.)
FORBIDDEN = (
    "exec", "compile", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect",
    "pickle.find_class", "ctypes.dlopen", "ctypes.dlsym", "os.remove", "os.rename", "os.rmdir", "os.mkdir",
    "os.truncate", "shutil.rmtree",
)  # fmt: skip
MEMORY = 512 << 20


def _refusals(path, answer):
    """In a child with little memory and an eye on it: what loading and resuming say, how long they take."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    seen = []
    sys.addaudithook(lambda event, arguments: seen.append(event) if event in FORBIDDEN else None)
    told = []
    for verb in (load, lambda path: resume(path, 10)):
        started = time.monotonic()
        try:
            verb(path)
            told.append("accepted")
        except UnrolledError as error:
            told.append(str(error))
        except BaseException as error:
            told.append(f"!{type(error).__name__}: {error}")
        told.append(time.monotonic() - started)
    os.write(answer, json.dumps([*told, seen]).encode())


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_run_is_refused(tmp_path, made, case):
    path = shutil.copytree(made / "single", tmp_path / "run")
    assert _resumable(path)[0] == 9
    HOSTILE[case](path)
    reading, answer = os.pipe()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    child = os.fork()
    if child == 0:
        try:
            _refusals(path, answer)
        finally:
            os._exit(0)
    os.close(answer)
    torch.set_num_threads(threads)
    with os.fdopen(reading) as file:
        got = json.loads(file.read())
    os.waitpid(child, 0)
    loaded, load_seconds, resumed, resume_seconds, seen = got
    assert resumed != "accepted"
    assert not resumed.startswith("!"), resumed
    assert not loaded.startswith("!"), loaded
    assert loaded != "accepted" or case.startswith(("text: ", "states: ", "config: a long"))  # what only training reads
    assert len(resumed) < 2000
    assert "fit into a file" not in case or "more than the 1,048,576 that" not in resumed
    assert load_seconds < 10, "a run that hangs; on a quiet machine each takes less than a second"
    assert resume_seconds < 10
    assert seen == []
