"""The command: what it prints, as text and as JSON, and how it ends. In a process of its own where that matters."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from unrolled import Graph, cells
from unrolled.cli.display import _Lines
from unrolled.cli.main import main
from unrolled.cli.signals import ended_by_signals
from unrolled.engine import library
from unrolled.runs import Prepared

TEXT = "def add(a, b):\n    return a + b\n" * 120
SMALL = ["--hidden-size", "12", "--batch-size", "4", "--seq-length", "16", "--sample-length", "30"]


def unrolled(*arguments, cwd, stdin=""):
    """Run the command in this process: its output, and how it ended."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    with (
        contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
        mock.patch.multiple(sys, argv=["unrolled", *map(str, arguments)], stdin=given),
        mock.patch.dict(os.environ, COLUMNS="200"),
    ):  # fmt: skip
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def in_a_process(*arguments, cwd, stdin=None, env=None):
    """Run the command as a user does; its output, decoded."""
    return subprocess.run(
        [sys.executable, "-m", "unrolled.cli.main", *map(str, arguments)],
        cwd=cwd, input=stdin, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "COLUMNS": "200", **(env or {})},
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a text and a run."""
    folder = tmp_path_factory.mktemp("command")
    (folder / "text.py").write_text(TEXT)
    ran = in_a_process("train", "text.py", *SMALL, "--steps", 40, "-o", "run", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    (folder / "train.txt").write_text(ran.stdout)
    return folder


def test_train_says_what_it_does(place):
    said = (place / "train.txt").read_text()
    assert "text     text.py: 3,840 characters, 16 different; the last 192 are held out" in said
    assert "model    gru_v3, " in said
    assert said.count("-- what it writes after") == 5
    assert "step 40: held out " in said
    assert " nats (" in said
    assert " bits) per character" in said
    assert "training is done: 40 steps" in said
    assert "unrolled sample run --temperature 0.7 " in said
    assert "unrolled train --config run/config.json --cell lstm " in said


def test_train_as_json(place):
    ran = unrolled("train", "text.py", *SMALL, "--steps", 12, "-o", "other", "--json", cwd=place)
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    kinds = {event["event"] for event in events}
    assert kinds == {"prepared", "planned", "stepped", "evaluated", "sample_due", "sampled", "saved", "finished"}
    assert events[0]["path"] == "other"
    assert not ran.stderr


def test_a_file_of_options(place):
    (place / "options.toml").write_text(
        'steps = 3\nhidden_size = 7\ncell = "lstm"\ndata = ["text.py"]\nbatch_size = 2\n'
    )
    ran = unrolled("train", "--config", "options.toml", "--hidden-size", 9, "-o", "third", "--json", cwd=place)
    assert ran.returncode == 0, ran.stderr
    config = json.loads((place / "third" / "config.json").read_text())
    assert (config["steps"], config["hidden_size"], config["cell"]) == (3, 9, "lstm")
    (place / "options.json").write_text(json.dumps({"steps": 2, "data": ["text.py"], "batch_size": 2}))
    ran = unrolled("train", "--config", "options.json", "-o", "fourth", cwd=place)
    assert ran.returncode == 0, ran.stderr


def test_standard_input(place):
    ran = unrolled("train", "-", *SMALL, "--steps", 2, "-o", "piped", cwd=place, stdin=TEXT)
    assert "text     standard input: 3,840 characters" in ran.stdout


def test_sample(place):
    first, again = (unrolled("sample", "run", "--prompt", "def ", "--length", 40, cwd=place).stdout for _ in range(2))
    assert first == again
    assert first.startswith("def ")
    assert len(first) == 4 + 40 + 1
    written = json.loads(unrolled("sample", "run", "--prompt", "def ", "--length", 40, "--json", cwd=place).stdout)
    assert "def " + written["text"] + "\n" == first
    assert unrolled("sample", "run", "--length", 5, "--seed", 2, cwd=place).returncode == 0


def test_sample_stops_when_nobody_reads(place):
    command = f"{sys.executable} -m unrolled.cli.main sample run --length 100000 | head -c 10"
    ran = subprocess.run(command, shell=True, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert len(ran.stdout) == 10
    assert ran.stderr == ""


@pytest.mark.parametrize("command", ["sample run", "train text.py --steps 1 --batch-size 2 -o full", "doctor"])
def test_a_full_disk_behind_the_output(place, command):
    line = f"{sys.executable} -m unrolled.cli.main {command} > /dev/full"
    ran = subprocess.run(line, shell=True, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stderr == "error: the output cannot be written: No space left on device\n"
    assert ran.returncode == 1


def test_sample_where_the_terminal_knows_ascii_only(place):
    (place / "accents.txt").write_text("\u00e9\u00e8\u4e16" * 400)
    unrolled("train", "accents.txt", *SMALL, "--steps", 2, "-o", "accents", cwd=place)
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ran = in_a_process("sample", "accents", "--length", 20, cwd=place, env=env)
    assert (ran.returncode, ran.stdout) == (0, "?" * 20 + "\n")
    ran = in_a_process("train", "accents.txt", *SMALL, "--steps", 2, "-o", "accents2", cwd=place, env=env)
    assert ran.returncode == 0, ran.stderr


def test_export(place):
    said = unrolled("export", "run", "-o", "it.onnx", "--best", cwd=place).stdout
    assert (
        "it.onnx\n  sequence: inputs [T, B], lengths [B] -> logits [T, B, 16], next_h [1, B, 12]\n  layer0: GRU\n"
        in said
    )
    assert "it.step.onnx\n  step: inputs [B], state_h [1, B, 12] -> logits [B, 16], next_h [1, B, 12]\n" in said


def test_eval(place):
    said = unrolled("eval", "run", "text.py", cwd=place).stdout
    score = json.loads(unrolled("eval", "run", "text.py", "--json", cwd=place).stdout)
    assert set(score) == {"nats_per_char", "bits_per_char", "perplexity", "chars", "unseen"}
    assert f"nats per character   {score['nats_per_char']:.4f}" in said
    assert score["chars"] == len(TEXT) - 1
    (place / "greek.txt").write_text("def \u03b1\u03b1 add")
    assert "never seen, left out 2 ('\u03b1' x 2)" in unrolled("eval", "run", "greek.txt", cwd=place).stdout


def test_draw(place):
    images = np.zeros((20, 6, 9), dtype=np.uint8)
    images[:, :, ::2] = 255
    np.savez(place / "stripes.npz", x=images)
    small = ["--steps", "2", "--hidden-size", "4", "--latent-size", "2", "--strokes", "2", "--samples", "0"]
    assert unrolled("train", "stripes.npz", "--task", "draw", *small, "-o", "drawer", cwd=place).returncode == 0
    told = unrolled("draw", "drawer", cwd=place)
    assert told.returncode == 0
    assert 0 < max(map(len, told.stdout.splitlines())) <= 200
    told = unrolled("draw", "drawer", "--count", "3", "-o", "made.npz", cwd=place)
    assert (told.returncode, told.stdout.strip()) == (0, "3 images: made.npz")
    assert np.load(place / "made.npz")["x"].shape == (3, 1, 6, 9)
    for name, options in (("made.png", []), ("made.gif", []), ("rows.npz", ["--all-steps"])):
        told = unrolled("draw", "drawer", "--count", "3", "-o", name, *options, cwd=place)
        assert (told.returncode, told.stdout.strip()) == (0, f"3 images: {name}"), told.stderr
    assert np.load(place / "rows.npz")["x"].shape == (3, 3, 1, 6, 9)
    with Image.open(place / "made.gif") as film:
        assert film.n_frames == 3
    told = unrolled("draw", "drawer", "--count", "1", "-o", "new/one.png", cwd=place)
    assert told.stdout.strip() == "1 image: new/one.png"
    steps = unrolled("draw", "drawer", "--count", "2", "--all-steps", cwd=place).stdout
    assert steps.count("\n\n") == 1, "a row for each image"
    assert [line.split() for line in steps.splitlines() if "image" in line] == [["image", "1"], ["image", "2"]]
    assert [line.split() for line in steps.splitlines()].count(["0", "1", "2"]) == 2
    for options in (["-o", "made.npz"], ["-o", "made.jpg"], ["--count", "0"], ["--count", "900000", "-o", "many.png"]):
        told = unrolled("draw", "drawer", *options, cwd=place)
        assert told.returncode == 1
        assert "error: " in told.stderr


def test_what_is_remarkable_in_the_data_stands_below_them():
    told = io.StringIO()
    facts = {"path": "run", "task": "draw", "unit": "image", "train": 3, "held_out": 1, "cell": "gru", "parameters": 9}
    words = "photos: 4 examples\n2 of 4 images are not square"
    event = Prepared(**facts, words=words, engine="native", data=("photos",), step=0)
    _Lines(Console(file=told, width=80)).show(event)
    assert told.getvalue().splitlines()[:3] == [
        "draw     photos: 4 examples", "         2 of 4 images are not square", "model    gru, 9 parameters",
    ]  # fmt: skip


def test_cells(place):
    listed = unrolled("cells", cwd=place).stdout
    named = [line.split()[0] for line in listed.splitlines()]
    assert named == list(cells.shelf())
    assert {"rnn", "lstm", "gru", "gru_v3", "fgr", "slstm"} <= set(named)
    (place / "mine.py").write_text(
        "from unrolled import cell\nfrom unrolled.ops import *\n\n"
        "@cell\ndef mine(x, h):\n    z = sigmoid(affine(x))\n    return (1 - z) * h + z * affine(x)\n"
    )
    shown = unrolled("cells", "mine.py:mine", cwd=place).stdout
    assert "z = sigmoid(affine(x))" in shown
    assert "weight_z  (H, D)" in shown
    assert shown.count("before the loop over time") == 2
    plain = json.loads(unrolled("cells", "lstm(projection=20)", "--json", cwd=place).stdout)
    assert plain["states"] == {"h": "20", "c": "H"}
    assert plain["parameters"]["weight_h"] == "(20, H)"
    assert plain["products"] == {"weight_i_x": "before", "weight_i_h": "during", "weight_h": "during"}


def test_a_cell_with_noise(place):
    """Shown, trained and stored with its noise; what is written of it has none, and is the same again."""
    noisy = 'lstm(zoneout={"h": 0.1, "c": 0.5}, dropout=0.2)'
    shown = unrolled("cells", noisy, cwd=place).stdout
    assert "zoneout      {'h': 0.1, 'c': 0.5}" in shown
    assert "0  1.25 with probability 0.8, else 0; D wide, drawn once a sequence" in shown
    assert "3  1 with probability 0.5, else 0; H wide, drawn at every step" in shown
    ran = unrolled("train", "text.py", *SMALL, "--steps", 12, "--cell", noisy, "-o", "noisy", cwd=place)
    assert ran.returncode == 0, ran.stderr
    assert len(Graph.from_json((place / "noisy" / "cell.json").read_text()).noise) == 4
    written = [unrolled("sample", "noisy", "--length", 40, "--seed", 3, cwd=place).stdout for _ in range(2)]
    assert written[0] == written[1] != ""


def test_version(place):
    assert unrolled("--version", cwd=place).stdout == f"unrolled {version('unrolled')}\n"


def test_doctor(place):
    assert "arithmetic       right" in unrolled("doctor", cwd=place).stdout
    assert json.loads(unrolled("doctor", "--json", cwd=place).stdout)["arithmetic"].startswith("right")


def test_help_names_every_option(place):
    said = unrolled("train", "--help", cwd=place).stdout
    for option in [
        "--task",
        "--tokens",
        "--cell",
        "--hidden-size",
        "--num-layers",
        "--embedding-size",
        "--dropout",
        "--seq-length",
        "--batch-size",
        "--optimizer",
        "--learning-rate",
        "--grad-clip",
        "--steps",
        "--epochs",
        "--minutes",
        "--val-frac",
        "--seed",
        "--precision",
        "--device",
        "--out",
        "--config",
        "--json",
    ]:
        assert option in said, option
    assert "--task text" in said


@pytest.mark.parametrize("option", [("--task", "glimpse"), ("--task=glimpse",)])
@pytest.mark.parametrize("command", ["train", "lr-find"])
def test_help_tells_the_options_of_the_task_that_is_named(command, option, place):
    said = unrolled(command, *option, "--help", cwd=place).stdout
    assert "--glimpse-size" in said
    assert "--batch-size" in said
    assert "--seq-length" not in said
    assert "default: 0.002" in said, "the learning rate of that task"
    assert said.index("Of this task") < said.index("--glimpse-size"), "in a panel of their own"
    assert "another one: text, classify, tag, translate, caption, draw." in " ".join(said.split())


def test_help_of_two_tasks_is_that_of_the_last(place):
    said = unrolled("train", "--task", "draw", "--task", "glimpse", "--help", cwd=place).stdout
    assert "--glimpse-size" in said
    assert "--strokes" not in said


def test_help_of_no_task(place):
    asked = unrolled("train", "--task", "glimps", "--help", cwd=place)
    assert asked.returncode == 1
    assert "Did you mean 'glimpse'?" in asked.stderr


@pytest.mark.parametrize("seconds", [0.15, 0.4, 1.0, 2.2])
@pytest.mark.parametrize("command", ["train text.py --batch-size 2 -o early --overwrite", "sample run --length 999999"])
def test_ctrl_c_at_any_moment_shows_no_traceback(place, command, seconds):
    process = subprocess.Popen(
        [sys.executable, "-m", "unrolled.cli.main", *command.split()],
        cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "in main\n" not in errors, "before main begins, Python itself is still starting"
    assert process.returncode in (130, 1, -signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends(place, number):
    out = f"stopped-{number.name}"
    command = [sys.executable, "-m", "unrolled.cli.main", "train", "text.py", *SMALL]
    process = subprocess.Popen(
        [*command, "--steps", "1000000", "-o", out, "--json"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if json.loads(line)["event"] == "stepped":
            break
    time.sleep(0.3)
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    last = [json.loads(line) for line in rest.splitlines()]
    assert {"finished", "saved"} <= {event["event"] for event in last}
    assert next(event["reason"] for event in last if event["event"] == "finished") == "interrupted"
    assert errors == ""
    assert unrolled("sample", out, "--length", 5, cwd=place).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_a_file_is_written_leaves_nothing_of_it(tmp_path, number):
    """The disk hangs in the middle of a file, as one far away does, until the signal comes."""
    (tmp_path / "hangs.py").write_text(
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from unrolled import files\n"
        "from unrolled.cli import main\n"
        "from unrolled.cli.app import app\n"
        "class Hanging:\n"
        "    def __getattr__(self, name): return getattr(os, name)\n"
        "    def fsync(self, handle):\n"
        "        print(os.listdir('.'), flush=True)\n"
        "        time.sleep(60)\n"
        "files.system = Hanging()\n"
        "main._loaded = lambda: lambda: app(['write'])\n"
        "app.command('write')(lambda: files.replace({Path('some.png'): b'many'}))\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # (tests that nohup runs have it ignored)
        "main.entry()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "hangs.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert ".new" in process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (128 + number, "")
    assert os.listdir(tmp_path) == ["hangs.py"]


def test_a_signal_that_is_ignored_stays_so_and_the_others_are_given_back():
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with ended_by_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGTERM) is before
        with pytest.raises(SystemExit) as ended, ended_by_signals():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except KeyboardInterrupt:
                sys.exit(130)  # what typer makes of one
        assert ended.value.code == 128 + signal.SIGTERM
        with pytest.raises(KeyboardInterrupt), ended_by_signals():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGHUP, kept)


def test_a_live_display_in_a_terminal(place):
    """Under a pseudo-terminal: a bar, the samples in boxes, and the lines that stay."""
    command = f"{sys.executable} -m unrolled.cli.main train text.py {' '.join(SMALL)} --steps 200 -o live"
    ran = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        cwd=place, capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert "what it writes after 200 steps" in ran.stdout
    assert "characters/s" in ran.stdout
    assert "step 200: held out " in ran.stdout


def test_as_a_module(place):
    ran = subprocess.run([sys.executable, "-m", "unrolled", "cells"], capture_output=True, text=True, check=True)
    assert "lstm" in ran.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_closed_streams_show_no_traceback(place, closed):
    command = f"{sys.executable} -m unrolled eval run - {closed} < text.txt" if closed != "<&-" else (
        f"{sys.executable} -m unrolled eval run - <&-"
    )  # fmt: skip
    ran = subprocess.run(["sh", "-c", command], cwd=place, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert ("standard input is closed" in ran.stderr) == (closed == "<&-")


@pytest.mark.skipif(library() is None, reason="installed without the native engine")
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_sample_with_narrow_matrices(place, precision):
    ran = unrolled("sample", "run", "--length", 40, "--precision", precision, cwd=place)
    assert len(ran.stdout) == 41
    assert not ran.stderr
    refused = in_a_process("sample", "run", "--precision", precision, cwd=place, env={"UNROLLED_ENGINE": "reference"})
    assert refused.returncode == 1
    assert not refused.stdout
    assert f"precision '{precision}' needs the native engine and weights of float32" in refused.stderr


def test_sample_with_a_unit_held(place):
    plain = unrolled("sample", "run", "--length", 40, cwd=place)
    asked = ["sample", "run", "--length", 40, "--clamp", "layer0.h=3", "--clamp", "layer0.h[1]=-3"]
    held = unrolled(*asked, cwd=place)
    slow = in_a_process(*asked, cwd=place, env={"UNROLLED_ENGINE": "reference"})
    assert len(held.stdout) == 41
    assert held.stdout != plain.stdout
    assert held.stdout == slow.stdout


@pytest.mark.parametrize(
    ("clamp", "told"),
    [
        ("layer0.q=1", "there is no value 'layer0.q'"),
        ("layer0.h[999]=1", "there is none of 999"),
        ("layer0.h", "write an address and a number"),
        ("layer0.h=x", "write an address and a number"),
        ("layer0.h=nan", "give a finite number"),
        ("=1", "no address"),
    ],
)
def test_a_clamp_that_is_none(place, clamp, told):
    ran = unrolled("sample", "run", "--length", 5, "--clamp", clamp, cwd=place)
    assert ran.returncode == 1
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not ran.stdout


def test_flow(place):
    ran = unrolled("flow", "--radius", 1.1, "--radius", 0, "--activation", "linear", "--seeds", 50, cwd=place)
    assert "largest eigenvalue" in ran.stdout
    assert "as drawn" in ran.stdout
    told = unrolled("flow", "--radius", 1.0, "--seeds", 20, "--steps", 3, "--json", cwd=place)
    assert json.loads(told.stdout)["radius"] == 1.0
    refused = unrolled("flow", "--radius", -1, cwd=place)
    assert refused.returncode == 1
    assert "give sizes above 0" in refused.stderr


def test_flow_through_depth(place):
    ran = unrolled("flow", "--depth", 12, cwd=place)
    assert "residual, y = x + F(x)" in ran.stdout, ran.stderr
    told = unrolled("flow", "--depth", 12, "--init", "he", "--hidden", 9, "--json", cwd=place)
    layers = [json.loads(line) for line in told.stdout.splitlines()]
    assert [one["layer"] for one in layers] == list(range(1, 13))
    assert set(layers[-1]) == {"layer", "plain", "residual"}
    assert layers[-1]["plain"] == 1


def test_flow_through_depth_while_images_are_learned(place):
    numbers = np.random.default_rng(0)
    for name, count in (("learned.npz", 20), ("others.npz", 7)):
        np.savez(place / name, x=numbers.integers(0, 256, (count, 8, 8), dtype=np.uint8), y=np.arange(count) % 2)
    options = ("flow", "--depth", 6, "--data", "learned.npz", "--measure", "others.npz", "--hidden", 4, "--steps", 3)
    ran = unrolled(*options, "-o", "depth.html", cwd=place)
    assert "20 images of learned.npz are learned" in ran.stdout, ran.stderr
    assert "after 3" in ran.stdout
    assert "the page: depth.html" in ran.stdout
    assert (place / "depth.html").read_text().count("<figure>") == 3
    assert "... residual: step 3" in ran.stderr
    told = unrolled(*options, "--json", cwd=place)
    residual, plain, _ = map(json.loads, told.stdout.splitlines())
    assert (residual["name"], plain["name"], len(plain["gradients"])) == ("residual", "plain", 6)
    assert residual["steps"][-1] == 3
    slower = unrolled(*options, "--learning-rate", 1e-5, "--batch-size", 7, "--json", cwd=place)
    assert json.loads(slower.stdout.splitlines()[0])["rate"] == 1e-5
    assert residual["rate"] == 2e-3


def test_flow_with_clipping(place):
    options = ("flow", "--clip", 5, "--radius", 2, "--radius", 0.01, "--seeds", 20)
    ran = unrolled(*options, cwd=place)
    assert "by element" in ran.stdout, ran.stderr
    large, small = map(json.loads, unrolled(*options, "--json", cwd=place).stdout.splitlines())
    assert large["by_norm"]["norm"] == pytest.approx(5)
    assert small["clipped"] == 0
    assert small["by_norm"] is None


def test_flow_through_cells(place):
    options = ("flow", "--cells", "rnn, lstm(forget_bias=3.0, bias=None)", "--hidden", 5, "--steps", 15)
    ran = unrolled(*options, cwd=place)
    assert "layer0.c" in ran.stdout, ran.stderr
    rnn, lstm = map(json.loads, unrolled(*options, "--json", cwd=place).stdout.splitlines())
    assert list(rnn["norms"]) == ["1", "2", "5", "10"]
    assert rnn["norms"]["10"] < lstm["norms"]["10"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--cells", "rnn,"), "does not name a cell"),
        (("--clip", -1), "a threshold of -1"),
        (("--clip", 5, "--depth", 8), "demonstrations of their own"),
        (("--depth", 7), "even number"),
        (("--depth", 8, "--radius", 2), "--radius is not for 'unrolled flow --depth'"),
        (("--init", "he"), "--init is not for 'unrolled flow'"),
        (("--depth", 8, "--data", "digits", "--init", "he"), "--init is not for 'unrolled flow --data'"),
        (("--depth", 8, "--measure", "digits"), "--measure is not for 'unrolled flow --depth'"),
        (("--depth", 8, "--data", "digits"), "--data needs --measure"),
        (("--depth", 8, "--batch-size", 7), "--batch-size is not for 'unrolled flow --depth'"),
        (("--depth", 8, "--data", "digits", "--measure", "digits-test", "--learning-rate", 0), "learning_rate"),
        (("--clip", 8, "--data", "digits"), "demonstrations of their own"),
    ],
)
def test_a_flow_that_is_none(place, options, told):
    ran = unrolled("flow", *options, cwd=place)
    assert ran.returncode == 1
    assert told in ran.stderr
    assert not ran.stdout


def test_train_in_bfloat16(place):
    ran = unrolled("train", "text.py", *SMALL, "--steps", 12, "--precision", "bf16", "-o", "narrow", cwd=place)
    assert "training is done: 12 steps" in ran.stdout, ran.stderr
    assert json.loads((place / "narrow" / "config.json").read_text())["precision"] == "bf16"
