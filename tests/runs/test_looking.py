"""Looking inside a run: what is said is computed, and says what the run is."""

from __future__ import annotations

import html
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.cli.test_command import unrolled
from unrolled import ConfigError, DataError, RunError, TextConfig, look, train
from unrolled.inspection import Sentence
from unrolled.inspection.figures import curves
from unrolled.inspection.labels import labels_of
from unrolled.runs import load
from unrolled.runs.folder import RunFolder
from unrolled.runs.history import history_of

CODE = """def add(first, second):
    if first and second:  # both are there
        return first + second
    return "nothing"


"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A trained run of each kind of symbols."""
    place = tmp_path_factory.mktemp("runs")
    (place / "code.py").write_text("".join(CODE.replace("add", f"add{number % 7}") for number in range(300)))
    made = {}
    for tokens in ("characters", "words"):
        config = TextConfig(
            data=str(place / "code.py"), tokens=tokens, cell="lstm", hidden_size=16, num_layers=2, batch_size=16,
            seq_length=32, steps=60, evaluations=1, samples=0,
        )  # fmt: skip
        made[tokens] = train(config, place / tokens)
    return made


@pytest.fixture(scope="module")
def looked(runs):
    return look(runs["characters"], characters=1_500)


def test_it_says_something_of_everything(looked):
    sentences = looked.sentences
    assert {one.about for one in sentences} == {"cells", "memory", "gradients", "gates", "predictions", "errors"}
    assert looked.steps == 1_500
    assert "held out" in looked.text
    for one in sentences:
        assert one.text.strip() == one.text
        assert one.about == "cells" or one.figures


def test_its_figures_are_those_of_the_run(looked):
    figures = {one.about: one.figures for one in looked.sentences}
    assert sum(figures["errors"].values()) == int((looked.account.expected.nats[1:] > torch.tensor(2.0).log()).sum())
    gates = [one.text for one in looked.sentences if one.about == "gates"]
    assert sum(text.startswith("layer1.f") for text in gates) == 1
    text = next(one.text for one in looked.sentences if "nats per character" in one.text)
    assert text.startswith(f"{float(looked.account.expected.nats[1:].mean()):.3f}")


def test_what_a_kind_has_to_say_and_to_show_comes_first(looked):
    said = Sentence("words & more", "a <word> of its own", {"worth": 1.5})
    drawn = curves({"one": ([1, 2], [3.0, 4.0])}, "nats")
    more = replace(looked, told=[said], pictures=lambda: {"A picture of its own": drawn})
    assert more.sentences == [said, *looked.sentences]
    assert list(more.figures) == ["A picture of its own", *looked.figures]
    words, pictures = more.report().split("<h2>Pictures</h2>")
    assert (
        words.index("<h3>words &amp; more</h3>") < words.index(html.escape(said.text)) < words.index("<h3>cells</h3>")
    )
    assert pictures.index("A picture of its own") < pictures.index("How saturated")


def test_another_text_and_labels_of_ones_own(runs, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(CODE * 20)
    found = look(runs["characters"], [str(other)], characters=2_000, labels={"word add": "add"})
    assert found.steps == 2_000
    assert "word add" in {one.label for one in found.account.findings}
    assert {one.name for one in labels_of(CODE)} & {one.label for one in found.account.findings}


def test_what_cannot_be_looked_at(runs, tmp_path):
    with pytest.raises(RunError):
        look(tmp_path)
    with pytest.raises(ConfigError, match="reads characters"):
        look(runs["words"])
    with pytest.raises(ConfigError, match="at least 1,000"):
        look(runs["characters"], characters=10)
    (tmp_path / "short.py").write_text("def f(): pass\n")
    with pytest.raises(DataError, match="give at least 1,000"):
        look(runs["characters"], [str(tmp_path / "short.py")])
    with pytest.raises(ConfigError, match="no regular expression"):
        look(runs["characters"], labels={"bad": "("})


@pytest.mark.parametrize("options", [{"split": "streams", "val_frac": 0.2}, {"val_frac": 0.0}])
def test_what_was_learned_is_not_called_held_out(options, runs, tmp_path):
    text = str(runs["characters"].parent / "code.py")
    config = TextConfig(data=text, hidden_size=4, batch_size=4, seq_length=32, steps=2, samples=0, **options)
    run = train(config, tmp_path / "run")
    with pytest.raises(ConfigError, match="look RUN FILE"):
        look(run)
    assert look(run, [text], characters=1_000).steps == 1_000


def test_the_command(runs):
    run = runs["characters"]
    told = unrolled("look", run, "--characters", 1200, "--label", "both=both", cwd=run)
    assert told.returncode == 0, told.stderr
    assert "gates" in told.stdout
    assert "... looking for cells" in told.stderr
    assert told.stdout.splitlines()[-1] == f"report: {run / 'report.html'}"
    assert "layer1" in (run / "report.html").read_text()
    (run / "report.html").unlink()
    lines = unrolled("look", run, "--characters", 1200, "--json", cwd=run).stdout.splitlines()
    assert {"about", "text", "figures"} == set(json.loads(lines[0]))
    assert not (run / "report.html").exists()
    refused = unrolled("look", run, "--label", "both", cwd=run)
    assert refused.returncode == 1
    assert "a name and a regular expression" in refused.stderr


def test_a_column_from_a_file(runs, tmp_path):
    path = tmp_path / "column.txt"
    path.write_text(",".join(str(number % 7) for number in range(1000)))
    told = unrolled(
        "look", runs["characters"], "--characters", 1000, "--column", f"week={path}", "--json", cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr
    found = look(runs["characters"], characters=1000, labels={"week": path})
    assert "week" in {one.label for one in found.account.findings}
    path.write_text("1 2 three")
    with pytest.raises(DataError, match="not made of numbers"):
        look(runs["characters"], labels={"week": path})
    path.write_text("1 2 3")
    with pytest.raises(DataError, match="one number for each"):
        look(runs["characters"], labels={"week": path})
    with pytest.raises(DataError, match="cannot be read"):
        look(runs["characters"], labels={"week": tmp_path / "nowhere"})


def test_the_report_has_the_history(looked):
    page = looked.report()
    assert "lstm, 2 x 16 units" in page
    assert "after 60 steps of training" in page
    assert "The loss while it was trained" in page


def test_a_report_that_cannot_be_written(looked, tmp_path):
    with pytest.raises(ConfigError, match="Give another place"):
        looked.write(tmp_path / "nowhere" / "report.html")


MODEL = """
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(3, 4, batch_first=True)
    def forward(self, x):
        return self.rnn(x)[0]

def model():
    return Tagger(), torch.randn(2, 9, 3)

def lettered():
    return Tagger(), (torch.randn(2, 9, 3),), {"text": "recurrent", "vowel": [0, 1, 0, 0, 0, 0, 1, 0, 0]}

def tuned():
    torch.manual_seed(0)
    model, x = Tagger(), torch.randn(1, 2000, 3).cumsum(1) / 30
    return model, x, {"first": (x[0, :, 0] > 0).float()}

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.GRU(3, 4), nn.GRU(4, 3)
    def forward(self, x):
        return self.decoder(self.encoder(x)[0].flip(0))[0]

def two():
    return Two(), torch.randn(100, 1, 3), {"text": "abcd" * 25}

def too_many():
    return Tagger(), torch.randn(2, 9, 3), {"text": "too many letters"}

def not_numbers():
    return Tagger(), torch.randn(2, 9, 3), {"odd": ["a"] * 9}

def nothing():
    return 3

def fails():
    raise KeyError("secret")

def wrong_shape():
    return Tagger(), torch.randn(2, 9, 7)

def no_layer():
    return nn.Linear(3, 3), torch.randn(2, 3)

number = 5

def exits():
    raise SystemExit(0)

def nan():
    x = torch.randn(2, 9, 3)
    x[0, 5] = float("nan")
    return Tagger(), x, {"vowel": [0, 1] * 4 + [0]}

def no_text():
    return Tagger(), torch.randn(2, 9, 3), {"text": 5}

def other_length():
    return Tagger(), torch.randn(2, 9, 3), {"same": [1, 1, 1]}

def with_gradient():
    return Tagger(), torch.randn(2, 9, 3), {"grad": torch.zeros(9, requires_grad=True)}

def no_rows():
    return Tagger(), torch.randn(0, 9, 3)

class Idle(Tagger):
    def forward(self, x):
        return x

def idle():
    return Idle(), torch.randn(2, 9, 3)

class Talking(Tagger):
    def forward(self, x):
        print("JUNK")
        with torch.no_grad():
            return self.rnn(self.rnn(x)[0][..., :3])[0]

def talking():
    print("JUNK")
    return Talking(), torch.randn(2, 9, 3)
"""


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(MODEL)
    return path


def test_somebodys_model(made):
    found = look(f"{made}:model")
    assert found.steps == 9
    assert {one.about for one in found.sentences} >= {"memory", "gradients", "gates"}
    assert "rnn.layer0" not in found.report().split("Pictures")[0]  # (short names: there is one recurrent module)
    few = []
    lettered = look(f"{made}:lettered", say=few.append)
    assert "9 steps are too few to find cells in, 400 are needed: labels are passed over" in few
    assert "".join(lettered.account.symbols) == "recurrent"
    labels = look(f"{made}:tuned").account.findings
    assert [one.label for one in labels] == ["first"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing", "returns int"), ("fails", "KeyError"), ("wrong_shape", "cannot be run"),
        ("no_layer", "no recurrent layer"), ("number", "not a function"), ("modell", "Did you mean 'model'"),
        ("too_many", "16 symbols"), ("not_numbers", "not made of numbers"), ("exits", "failed: SystemExit: 0"),
        ("nan", "not finite at step 5"), ("no_text", '"text" is int'), ("with_gradient", "not made of"),
        ("other_length", "'same' has 3 numbers, and the model 9 steps"), ("no_rows", "without rows"),
        ("idle", "has run"),
    ],
)  # fmt: skip
def test_models_that_cannot_be_looked_at(name, why, made):
    with pytest.raises((ConfigError, DataError), match=why):
        look(f"{made}:{name}")


def test_options_that_are_for_runs(made):
    with pytest.raises(ConfigError, match="are for runs"):
        look(f"{made}:model", labels={"a": "b"})
    with pytest.raises(ConfigError, match="options of a use are for runs"):
        look(f"{made}:model", beam=3)
    with pytest.raises(ConfigError, match="no file"):
        look(f"{made.parent}/other.py:model")


def test_the_command_on_a_model(made):
    told = unrolled("look", f"{made}:model", cwd=made.parent)
    assert told.returncode == 0, told.stderr
    assert "report: report.html" in told.stdout
    assert "9 steps" in (made.parent / "report.html").read_text()


def test_a_model_that_talks_and_lets_no_gradient_through(made, capsys):
    told = []
    found = look(f"{made}:talking", say=told.append)
    assert "JUNK" not in capsys.readouterr().out
    assert any("rnn: ran several times" in one for one in told)
    assert "gradients" not in {one.about for one in found.sentences}
    assert "memory" in {one.about for one in found.sentences}
    assert "How a gradient goes back" not in found.report()


def test_what_lies_there_is_not_replaced_if_it_is_no_report(looked, tmp_path):
    other = tmp_path / "text.bin"
    other.write_bytes(b"something of one's own")
    with pytest.raises(ConfigError, match="is no report"):
        looked.write(other)
    assert other.read_bytes() == b"something of one's own"
    page = tmp_path / "page.html"
    assert looked.write(page) == page
    first = page.read_bytes()
    looked.write(page)
    assert page.read_bytes() == first
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["page.html", "text.bin"]


def test_a_write_that_fails_leaves_the_older_report(looked, tmp_path, monkeypatch):
    page = looked.write(tmp_path / "page.html")
    before = page.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unrolled.files.rename", full)
    with pytest.raises(ConfigError, match="No space left"):
        looked.write(page)
    assert page.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    "line",
    [
        '{"event":"diverged","step":1,"divergences":[1]}', '{"event":"diverged","step":1,"divergences":{"1":"x"}}',
        '{"event":"diverged","step":1,"divergences":{"1":null}}', "[" * 200_000, '"a"', "\x00",
        '{"event":"evaluated","step":1,"loss":1' + "0" * 400 + "}", '{"event":"stepped","step":"1","loss":1.0}',
    ],
)  # fmt: skip
def test_a_history_that_is_damaged_is_left_out(line, runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs["characters"], run)
    with (run / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    made = history_of(load(run), RunFolder.at(run))
    assert made.losses["training"][0][-1] == 60
    assert made.divergences == {}


def test_numbers_without_an_end(runs):
    with pytest.raises(DataError, match="cannot be read"):
        look(runs["characters"], labels={"zero": Path("/dev/zero")})


def test_what_the_steps_are_is_known_of_the_first_module_alone(made):
    found = look(f"{made}:two")
    assert {one.unit.partition(".")[0] for one in found.account.units} == {"encoder"}
    assert all("encoder" in one.text for one in found.sentences if "forgets most" in one.text)


def test_what_lies_beside_a_model_can_be_imported(made):
    (made.parent / "beside_it.py").write_text("size = 4\n")
    other = made.parent / "other.py"
    other.write_text("from beside_it import size\n" + MODEL)
    before = list(sys.path)
    assert look(f"{other}:model").steps == 9
    assert sys.path == before
    sys.modules.pop("beside_it", None)
