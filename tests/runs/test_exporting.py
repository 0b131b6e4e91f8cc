"""`unrolled export`: from a run to files that are used with onnxruntime alone."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from tests.runs.disk import Disk, Failing, using
from unrolled import (
    ClassifyConfig,
    ConfigError,
    ExportError,
    RunError,
    TagConfig,
    TextConfig,
    TranslateConfig,
    export,
    load,
    train,
)
from unrolled.cli.commands import app
from unrolled.exporting import is_onnx

MINE = """
from unrolled import cell
from unrolled.ops import affine, cos, norm, softplus, tanh, where

@cell
def mine(x, h):
    a = norm(affine(x, h))
    h = where(a > 0.1, 0.5 * h, cos(a)) * tanh(a) / softplus(h) ** 0.5
    return h
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each task, little trained."""
    place = tmp_path_factory.mktemp("exporting")
    (place / "my.py").write_text(MINE)
    (place / "text.txt").write_text("the sea, the sun: é\n" * 60)
    words = "".join(f"{word}\t{label}\n" for word, label in (("sea", "B"), ("sun", "A"), ("day", "B"))) + "\n"
    (place / "words.tsv").write_text(words * 20)
    (place / "days.tsv").write_text("a bright day\tgood\na dull day\tbad\n" * 20)
    small = {"steps": 3, "hidden_size": 6, "samples": 0, "batch_size": 4}
    train(TextConfig(data=[str(place / "text.txt")], seq_length=8, cell=f"{place}/my.py:mine", **small), place / "text")
    train(TagConfig(data=[str(place / "words.tsv")], **small), place / "tag")
    train(ClassifyConfig(data=[str(place / "days.tsv")], **small), place / "classify")
    return place


def _session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _facts(path):
    return _session(path).get_modelmeta().custom_metadata_map


def test_a_text(runs, tmp_path):
    whole, step = export(runs / "text", out=tmp_path / "it.onnx")
    assert {one.name for one in tmp_path.iterdir()} == {"it.onnx", "it.step.onnx"}
    assert (whole.path, whole.function, dict(whole.layers)) == (
        str(tmp_path / "it.onnx"),
        "sequence",
        {"layer0": "Scan"},
    )
    assert dict(step.inputs) == {"inputs": ("B",), "state_h": (1, "B", 6)}
    assert 0 < max(whole.difference, step.difference) < 1e-5
    run = load(runs / "text")
    facts = _facts(step.path)
    assert (facts["task"], facts["function"], facts["trained"]) == ("text", "step", "3")
    assert facts["cell"].endswith("my.py:mine")
    codes = json.loads(facts["vocabulary"])["codes"]
    assert "".join(map(chr, codes)) == "".join(sorted(set("the sea, the sun: é\n")))
    ids = np.array([[codes.index(ord(one))] for one in "the sea"])
    (logits,) = _session(whole.path).run(["logits"], {"inputs": ids, "lengths": np.array([7])})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(logits), run.model(torch.from_numpy(ids))[0], rtol=0, atol=1e-5)


def test_files_of_one_model_have_one_identity(runs, tmp_path):
    again = [export(runs / "text", out=tmp_path / name) for name in ("one.onnx", "two.onnx")]
    identities = [_facts(file.path)["identity"] for files in again for file in files]
    assert len(identities) == 4
    assert len(set(identities)) == 1
    train(load(runs / "text").config.model_copy(update={"seed": 5}), tmp_path / "other")
    for file in export(tmp_path / "other"):
        assert _facts(file.path)["identity"] not in identities


class Refusing(Disk):
    """One file is not to be read."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def before(self, name, arguments):
        if name == "open" and arguments[0] == self.path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_an_older_export_that_cannot_be_read(runs, tmp_path):
    export(runs / "tag", out=tmp_path / "it.onnx")
    (tmp_path / "it.step.onnx").rename(tmp_path / "elsewhere")
    (tmp_path / "it.step.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"it\.step\.onnx is a symbolic link: give another place, -o, or say --over"):
        export(runs / "tag", out=tmp_path / "it.onnx")
    export(runs / "tag", out=tmp_path / "it.onnx", overwrite=True)
    assert not (tmp_path / "it.step.onnx").is_symlink()
    with (
        using(Refusing(tmp_path / "it.step.onnx")),
        pytest.raises(ConfigError, match=r"it\.step\.onnx cannot be written: Permission denied"),
    ):
        export(runs / "tag", out=tmp_path / "it.onnx")


def test_a_cell_from_a_file_whose_name_is_no_text(runs, tmp_path):
    odd = tmp_path / "caf\udce9.py"
    odd.write_text(MINE)
    config = load(runs / "tag").config
    train(TagConfig(**{**config.model_dump(exclude_unset=True), "cell": f"{odd}:mine"}), tmp_path / "run")
    whole, _ = export(tmp_path / "run")
    assert _facts(whole.path)["cell"] == f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}.py:mine"


def test_a_tagger(runs, tmp_path):
    (whole, step) = export(runs / "tag", "onnx", tmp_path / "it.onnx")
    facts = _facts(whole.path)
    assert json.loads(facts["classes"]) == ["A", "B"]
    assert json.loads(facts["vocabulary"]) == {
        "pieces": "lines", "lower": False, "entries": ["<unknown>", "day", "sea", "sun"]
    }  # fmt: skip
    assert dict(whole.layers) == {"layer0": "GRU"}
    assert set(step.outputs) == {"logits", "next_h"}


def test_a_run_in_float64(runs, tmp_path):
    config = load(runs / "text").config
    train(TextConfig(**{**config.model_dump(exclude_unset=True), "precision": "float64"}), tmp_path / "run")
    whole, step = export(tmp_path / "run")
    assert 0 < max(whole.difference, step.difference) < 1e-5


def test_a_classifier_that_reads_from_both_ends_has_no_step(runs, tmp_path):
    (whole,) = export(runs / "classify", out=tmp_path / "it.onnx")
    assert dict(whole.layers) == {"layer0": "GRU", "layer0.reverse": "GRU"}
    assert json.loads(_facts(whole.path)["classes"]) == ["bad", "good"]
    export(runs / "tag", out=tmp_path / "both.onnx")
    before = (tmp_path / "both.onnx").read_bytes()
    with pytest.raises(ConfigError, match=r"both\.step\.onnx is there, and this model has no step"):
        export(runs / "classify", out=tmp_path / "both.onnx")
    assert (tmp_path / "both.onnx").read_bytes() == before


def test_a_translator(runs, tmp_path):
    (tmp_path / "pairs.tsv").write_text("a b\tx y\nb a\ty x\nb\tx\n" * 20)
    config = TranslateConfig(data=[str(tmp_path / "pairs.tsv")], steps=2, hidden_size=6, samples=0, batch_size=4)
    whole, step = export(train(config, tmp_path / "run"))
    assert set(whole.outputs) == {"places", "next_h", "next_c"}
    assert set(step.inputs) == {"inputs", "state_h", "state_c", "places", "lengths"}
    facts = {name: json.loads(_facts(step.path)[name]) for name in ("source", "target", "boundary")}
    assert set("ab") < set(facts["source"]["entries"])
    assert step.outputs["logits"] == ("B", facts["boundary"] + 1)


def test_where_the_files_go(runs, tmp_path):
    whole, step = export(runs / "tag")
    assert (whole.path, step.path) == (str(runs / "tag" / "model.onnx"), str(runs / "tag" / "model.step.onnx"))
    assert load(runs / "tag").step == 3, "the run can be read as before"
    export(runs / "tag", best=True)
    for name in ("it.onnx", "it.step.onnx"):
        (tmp_path / name).write_text("a poem")
        with pytest.raises(ConfigError, match=rf"{name} is there, and is no ONNX file"):
            export(runs / "tag", out=tmp_path / "it.onnx")
        assert (tmp_path / name).read_text() == "a poem"
        export(runs / "tag", out=tmp_path / "it.onnx", overwrite=True)
        assert is_onnx((tmp_path / name).read_bytes())


@pytest.mark.parametrize(
    ("out", "told"),
    [
        (".", "is a folder: name a file in it"),
        ("", "is a folder: name a file in it"),
        ("nowhere/it.onnx", "cannot be written: No such file"),
        ("/dev/null", "is there, and is no file"),
        ("a" * 300, "cannot be written: File name too long"),
    ],
)
def test_places_that_cannot_be(runs, tmp_path, monkeypatch, out, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=told):
        export(runs / "tag", out=out, overwrite=True)
    assert not list(tmp_path.iterdir())


def test_the_command_as_json(runs, tmp_path):
    ran = CliRunner().invoke(app, ["export", str(runs / "tag"), "--out", str(tmp_path / "it.onnx"), "--json"])
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [one["path"] for one in told] == [str(tmp_path / "it.onnx"), str(tmp_path / "it.step.onnx")]
    assert (told[0]["layers"], told[1]["inputs"]) == ({"layer0": "GRU"}, {"inputs": ["B"], "state_h": [1, "B", 6]})
    assert all(0 < one["difference"] < 1e-5 for one in told)


def test_what_cannot_be_exported(runs, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"there is no format 'onx': onnx are there\. Did you mean 'onnx'\?"):
        export(runs / "tag", "onx")
    with pytest.raises(RunError, match="there is no run"):
        export(tmp_path / "none")
    monkeypatch.setattr("unrolled.exporting.checking.LIMIT", 0.0)
    monkeypatch.setattr("unrolled.exporting.checking._ROUNDED", 0)
    with pytest.raises(ExportError, match=r"tag: the file is not the model: its \w+ .* differ by"):
        export(runs / "tag", out=tmp_path / "it.onnx")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fails_at_any_operation(runs, tmp_path):
    """Each file is the older one or the new one, whole, and nothing else lies there."""
    out = tmp_path / "it.onnx"
    older = {one.path: Path(one.path).read_bytes() for one in export(runs / "text", out=out)}
    with using(Disk()) as disk:
        newer = {one.path: Path(one.path).read_bytes() for one in export(runs / "tag", out=out)}
    first = disk.calls.index("unlink") + 1
    for number in range(first, len(disk.calls) + 1):
        for path, content in older.items():
            Path(path).write_bytes(content)
        with using(Failing(number, errno.ENOSPC)), pytest.raises(ConfigError, match="cannot be written: No space left"):
            export(runs / "tag", out=out)
        assert {str(one) for one in tmp_path.iterdir()} == set(older)
        for path, content in older.items():
            assert Path(path).read_bytes() in (content, newer[path])


def test_the_own_files_of_a_run_are_never_replaced(runs):
    path = runs / "text"
    for name in ("config.json", "checkpoints/0001/model.safetensors", "checkpoints/x.onnx"):
        with pytest.raises(ConfigError, match=r"lies in the run, where other files are its own: call it .*/\w+\.onnx"):
            export(path, out=path / name, overwrite=True)
    load(path)
