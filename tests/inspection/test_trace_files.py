"""Traces on disk: what is loaded is what was recorded, in pieces as whole; crashes lose the last piece and no other."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.runs.disk import Disk, Failing, Killing, in_a_child, using
from unrolled import Recurrent, ShapeError, TraceError
from unrolled.inspection import Place, Recorder, Trace, trace
from unrolled.inspection import open as opened
from unrolled.inspection.trace_files import TraceWriter, read
from unrolled.inspection.trace_index import Key, Stored

T, B, D, H = 23, 3, 5, 7
PIECES = (9, 1, 13)


def _same(found, want):
    assert list(found) == list(want)
    for address, value in want.items():
        assert found[address].dtype == value.dtype
        assert torch.equal(found[address], value)
        assert (found[address].address, found[address].units) == (address, value.units)


def _recorded(layer, x, state, recorder, after_each):
    """Run a sequence in pieces."""
    with torch.no_grad(), recorder.recording():
        for piece in x.split(PIECES):
            _, state = layer(piece, state)
            after_each()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("names", [None, ["layer1.f[5,2]", "layer0.c", "layer0.f", "layer0.c@0"]])
def test_pieces_on_disk_are_the_whole_in_memory(dtype, names, tmp_path):
    layer, x = Recurrent("lstm", D, H, 2).to(dtype), torch.randn(T, B, D).to(dtype)
    state = {name: torch.randn(2, B, H).to(dtype) for name in "hc"}
    whole, pieces = Recorder(layer, names), Recorder(layer, names)
    _recorded(layer, x, state, whole, lambda: None)
    _recorded(layer, x, state, pieces, lambda: pieces.save(tmp_path / "new" / "trace"))
    found, want = Trace.load(tmp_path / "new" / "trace"), whole.trace()
    assert len(want["layer0.c"]) == T
    _same(found, want)
    assert found.gradients is None
    assert found.output is None
    assert not len(pieces.trace())
    address = "layer1.f[2]"
    assert torch.equal(found[address], want[address])
    assert torch.equal(found["layer0.c"][4:17, 1], want["layer0.c"][4:17, 1])
    with pytest.raises(KeyError, match="no value"):
        found["layer0.q"]


def test_a_trace_with_gradients(tmp_path):
    layer, x = opened(nn.GRU(D, H, 2, bidirectional=True)), torch.randn(T, B, D)
    want = trace(layer, x, gradients=True, loss=lambda output: output[0].square().sum(), names=["*.h", "layer1.n[4]"])
    want.save(tmp_path / "trace")
    found = Trace.load(str(tmp_path / "trace"))
    _same(found, want)
    _same(found.gradients, want.gradients)
    assert repr(found) == repr(want)
    assert (found.gradients["layer0.reverse.h"] != 0).any()


def test_gradients_in_pieces(tmp_path):
    layer, x = Recurrent("gru", D, H), torch.randn(T, B, D)
    recorder, wanted = Recorder(layer, with_gradients=True, apart=True), []
    with recorder.recording():
        for piece in x.split(PIECES):
            recorder.derive(layer(piece)[0].square().sum())
            wanted.append(recorder.trace().gradients["layer0.z"])
            recorder.save(tmp_path / "trace")
    assert torch.equal(Trace.load(tmp_path / "trace").gradients["layer0.z"], torch.cat(wanted))


def test_a_layer_that_runs_later_and_no_rows(tmp_path):
    layers = nn.ModuleDict({"a": Recurrent("gru", D, H), "b": Recurrent("lstm", D, H)})
    recorder = Recorder(layers, ["a.layer0.h", "b.layer0.c"])
    with recorder.recording():
        for rows, name in ((0, "a"), (B, "b"), (B, "b")):
            layers[name](torch.randn(T, rows, D))
            recorder.save(tmp_path / "trace")
    found = Trace.load(tmp_path / "trace")
    assert {address: tuple(value.shape) for address, value in found.items()} == {
        "a.layer0.h": (T, 0, H), "b.layer0.c": (2 * T, B, H),
    }  # fmt: skip


def test_saving_makes_room(tmp_path):
    layer, x = Recurrent("gru", D, H), torch.randn(T, B, D)
    recorder = Recorder(layer, ["layer0.h"], max_bytes=T * B * H * 4)
    with recorder.recording():
        for _ in range(3):
            layer(x)
            recorder.save(tmp_path / "trace")
    assert len(Trace.load(tmp_path / "trace")["layer0.h"]) == 3 * T


def test_what_is_changed_in_memory_is_not_changed_on_disk(tmp_path):
    want = trace(Recurrent("gru", D, H), torch.randn(T, B, D))
    want.save(tmp_path / "trace")
    Trace.load(tmp_path / "trace")["layer0.h"].as_subclass(torch.Tensor).zero_()
    _same(Trace.load(tmp_path / "trace"), want)


def test_values_are_mapped_not_read(tmp_path):
    """A file of a tebibyte, all but its last step a hole, is looked into at once."""
    values = torch.randn(1, B, H)
    writer = TraceWriter(tmp_path / "trace")
    key = Key(Place("", 0), "h")
    writer.append({key: Stored(values)})
    steps = 2**40 // values.nbytes
    with (tmp_path / "trace" / "0.values").open("r+b") as file:
        file.seek((steps - 1) * values.nbytes)
        file.write(values.numpy().tobytes())
    _rewrite(tmp_path / "trace", steps=steps)
    found = Trace.load(tmp_path / "trace")["layer0.h"]
    assert found.shape == (steps, B, H)
    assert torch.equal(found[-1:], values)


def test_nothing_is_written_over(tmp_path):
    layer, x = Recurrent("gru", D, H), torch.randn(T, B, D)
    want = trace(layer, x)
    want.save(tmp_path / "trace")
    (tmp_path / "file").touch()
    recorder = Recorder(layer)
    with recorder.recording():
        layer(x)
    for place in ("trace", "file", "."):
        with pytest.raises(TraceError, match="exists: give a new folder"):
            recorder.save(tmp_path / place)
    with pytest.raises(TraceError, match="Not a directory"):
        recorder.save(tmp_path / "file" / "trace")
    with pytest.raises(TraceError, match="cannot be written"):
        recorder.save(tmp_path / ("a" * 300))
    _same(Trace.load(tmp_path / "trace"), want)
    _same(recorder.trace(), want)
    recorder.save(tmp_path / "other")
    _same(Trace.load(tmp_path / "other"), want)


def test_pieces_that_do_not_fit_are_told(tmp_path):
    layer = Recurrent("gru", D, H)
    recorder = Recorder(layer, ["layer0.h"])
    with recorder.recording():
        layer(torch.randn(T, B, D))
        recorder.save(tmp_path / "trace")
        layer(torch.randn(T, B + 1, D))
        with pytest.raises(ShapeError, match=r"float32 of 4 rows and 7 units, and was float32 of 3 rows"):
            recorder.save(tmp_path / "trace")
        recorder.forget()
        layer.double()(torch.randn(T, B, D).double())
        with pytest.raises(ShapeError, match=r"float64 of 3 rows and 7 units, and was float32"):
            recorder.save(tmp_path / "trace")
    assert len(Trace.load(tmp_path / "trace")["layer0.h"]) == T
    with pytest.raises(ShapeError, match="int64: a trace on disk has float16"):
        TraceWriter(tmp_path / "other").append({Key(Place("", 0), "h"): Stored(torch.ones(1, 2, 3).long())})


# --- a disk that fails, a process that is killed ---

PARTS = [{Key(Place("rnn", 0), name): Stored(torch.randn(steps, B, H)) for name in "hc"} for steps in PIECES]


def _steps(folder):
    """How many steps a folder has; they are those that were written."""
    found = read(folder)
    count = {len(value.tensor) for value in found.values()} or {0}
    assert len(count) == 1
    for key, value in found.items():
        assert torch.equal(value.tensor, torch.cat([part[key].tensor for part in PARTS])[: min(count)])
    return min(count)


def _write(folder, pieces=None):
    writer = TraceWriter(folder)
    for part in PARTS[:pieces]:
        writer.append(part)
    return writer


def _calls_of_an_append(folder):
    writer = _write(folder, 1)
    with using(Disk()) as disk:
        writer.append(PARTS[1])
    return len(disk.calls)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EINTR])
def test_a_failing_disk_loses_no_step_and_can_be_tried_again(error, tmp_path):
    for number in range(1, _calls_of_an_append(tmp_path / "counted") + 1):
        folder = tmp_path / f"trace{number}"
        writer = _write(folder, 1)
        try:
            with using(Failing(number, error)):
                writer.append(PARTS[1])
        except TraceError:
            assert error != errno.EINTR
            assert _steps(folder) in (PIECES[0], sum(PIECES[:2]))  # (whole, where only its syncing failed)
            writer.append(PARTS[1])
        writer.append(PARTS[2])
        assert _steps(folder) == T


@pytest.mark.parametrize("moment", ["before", "half", "after"])
def test_a_killed_process_loses_the_last_piece_alone(moment, tmp_path):
    for number in range(1, _calls_of_an_append(tmp_path / "counted") + 1):
        folder = tmp_path / f"trace{number}"
        writer = _write(folder, 1)

        def work():
            with using(Killing(number, moment)):
                writer.append(PARTS[1])

        status = in_a_child(work)
        assert os.WTERMSIG(status) == signal.SIGKILL or moment == "after"  # (a call that raises has no after)
        assert _steps(folder) in (PIECES[0], sum(PIECES[:2]))


def test_a_process_killed_at_the_start_leaves_none_or_an_empty_one(tmp_path):
    with using(Disk()) as disk:
        TraceWriter(tmp_path / "counted")
    for number in range(1, len(disk.calls) + 1):
        folder = tmp_path / f"trace{number}"

        def work():
            with using(Killing(number, "before")):
                TraceWriter(folder)

        assert os.WTERMSIG(in_a_child(work)) == signal.SIGKILL
        try:
            assert not len(Trace.load(folder))
        except TraceError as error:
            assert "holds no trace" in str(error)


# --- folders that are none ---


def _rewrite(folder, **changed):
    """Another index, with other things in all of its values."""
    index = json.loads((folder / "index.json").read_bytes())
    index["values"] = [{**one, **changed} for one in index["values"]]
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": T + 1}, {"steps": -1}, {"steps": 10**30}, {"steps": "9"}, {"steps": None}, {"steps": 1.5},
        {"rows": 10**9}, {"rows": 0, "steps": 10**30}, {"width": -H, "rows": -B}, {"type": "float128"},
        {"type": "float64"}, {"type": []}, {"units": [1]}, {"units": "abcdefg"}, {"units": [-1] * H}, {"name": 3},
        {"place": "rnn.layer0"}, {"place": {}}, {"is_gradient": 2},
    ],
    ids=str,
)  # fmt: skip
def test_an_index_that_claims_what_is_not_so_is_told(changed, tmp_path):
    _write(tmp_path / "trace")
    _rewrite(tmp_path / "trace", **changed)
    with pytest.raises(TraceError, match="trace is damaged"):
        Trace.load(tmp_path / "trace")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"\xff", b"{}", b"[" * 100_000, b'{"format": "unrolled trace", "version": 2}',
     b'{"format": "unrolled trace", "version": 1, "byteorder": "big", "values": []}',
     b'{"format": "unrolled trace", "version": 1, "byteorder": "little"}',
     b'{"format": "unrolled trace", "version": 1, "byteorder": "little", "values": [3]}'],
)  # fmt: skip
def test_an_index_that_is_none_is_told(content, tmp_path):
    _write(tmp_path / "trace")
    (tmp_path / "trace" / "index.json").write_bytes(content)
    with pytest.raises(TraceError, match="trace is damaged, of another version"):
        Trace.load(tmp_path / "trace")


def test_what_is_no_trace_is_told(tmp_path):
    (tmp_path / "file").touch()
    for place in ("none", "file", ".", "a\0b"):
        with pytest.raises(TraceError, match="holds no trace"):
            Trace.load(tmp_path / place)


def test_files_that_are_missing_short_or_links_are_told(tmp_path):
    def short(path: Path):
        path.write_bytes(path.read_bytes()[:-1])

    def link(path: Path):
        path.rename(path.with_suffix(".elsewhere"))
        path.symlink_to(path.with_suffix(".elsewhere"))

    for harm in (short, link, Path.unlink):
        folder = tmp_path / harm.__name__
        _write(folder)
        harm(folder / "1.values")
        with pytest.raises(TraceError, match="is damaged"):
            Trace.load(folder)


def test_an_error_names_the_value():
    assert str(Key(Place("rnn", 1, is_reverse=True), "f")) == "rnn.layer1.reverse.f"
    assert str(Key(Place("", 2), "f", is_gradient=True)) == "layer2.f's gradient"
