"""What a user can get wrong on the command line: each ends in one message that says what to do, and loses nothing."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from tests.cli.test_command import SMALL, place  # noqa: F401 (a fixture)
from unrolled.cli.main import main

BAD_CELL = """
import torch
from unrolled import cell
W = torch.ones(3)

@cell
def closed(x, h):
    return W * h

def plain(x, h):
    return h
"""


@pytest.fixture(scope="module")
def bad(place):  # noqa: F811 (the fixture)
    """The folder of the other tests, with all kinds of rubbish in it."""
    (place / "empty.txt").write_text("")
    (place / "latin.txt").write_bytes("ol\u00e9\n".encode("latin-1") * 400)
    (place / "binary.bin").write_bytes(bytes(range(256)) * 40)
    (place / "one.txt").write_text("a" * 5000)
    (place / "short.txt").write_text("hello world " * 5)
    (place / "tiny.txt").write_text("ab")
    (place / "pictures").mkdir()
    (place / "pictures" / "a.png").write_bytes(b"\x89PNG\0\0")
    (place / "nothing").mkdir()
    (place / "bad_cell.py").write_text(BAD_CELL)
    (place / "broken.py").write_text("def (")
    (place / "raises.py").write_text("1 / 0")
    (place / "options.json").write_text('{"hiden_size": 3}')
    (place / "list.json").write_text("[1]")
    (place / "broken.json").write_text("{")
    (place / "broken.toml").write_text("a = ")
    (place / "wrong.toml").write_text('num_layers = "big"')
    (place / "damaged").mkdir()
    (place / "damaged" / "config.json").write_text("{}")
    return place


@pytest.fixture
def unrolled(bad, monkeypatch, capsys):
    """Run the command in this process: what it printed, and its exit code."""

    def run(*arguments):
        monkeypatch.chdir(bad)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["unrolled", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return run


TRAIN = {
    "no such file": (["nowhere.txt"], "there is no file, folder or corpus nowhere.txt."),
    "a typo in a file's name": (["text.pyy"], "there is no file, folder or corpus text.pyy. Did you mean 'text.py'?"),
    "a file without targets": (
        ["text.py", "--task", "translate", "--seq-length", "64"],
        "seq_length is for --task text, and this is",
    ),
    "an option of another task": (["text.py", "--task", "classify"], "seq_length is for --task text, and this is"),
    "an empty name": ([""], "an empty name was given in the place of a text"),
    "an empty file": (["empty.txt"], "empty.txt is empty: there is nothing to read in it"),
    "a folder without text": (["pictures"], "pictures: none of its 1 files is UTF-8 text"),
    "an empty folder": (["nothing"], "nothing is a folder without files"),
    "a pattern of nothing": (["*.xyz"], "no file fits the pattern *.xyz"),
    "a device": (["/dev/zero"], "/dev/zero is a device, not a file"),
    "not UTF-8": (["latin.txt"], "latin.txt is not UTF-8 text: byte 0xe9 in line 1. Convert it to UTF-8"),
    "binary": (["binary.bin"], "binary.bin is not UTF-8 text: byte 0x80 in line 2"),
    "one symbol": (["one.txt"], "one.txt holds only one kind of character, 'a': there is nothing to learn"),
    "shorter than a chunk": (["short.txt"], "one chunk of 4 streams x 16 steps needs 65. Give more text, or a smaller"),
    "nothing to hold out": (["tiny.txt"], "held out for validation, are 0: too few to predict one"),
    "no standard input": (["-"], "standard input is empty"),
    "an unknown cell": (["--cell", "lstn"], "no cell is called 'lstn'; there are cifg, fgr, gru, "),
    "a cell's typo": (["--cell", "lstn"], "Did you mean 'lstm'?"),
    "an unknown option of a cell": (
        ["--cell", "lstm(forgetbias=1)"],
        "cell lstm has no option 'forgetbias'; its options: activation, bias, forget_bias, projection, zoneout,"
        " dropout. Did you mean 'forget_bias'?",
    ),
    "a wrong option of a cell": (["--cell", "rnn(activation='tahn')"], "no activation is called 'tahn'"),
    "code instead of a cell": (["--cell", "__import__('os').system('ls')"], "does not name a cell: write lstm"),
    "code in an option": (["--cell", "lstm(forget_bias=open('x'))"], "does not name a cell"),
    "a cell's file that is missing": (["--cell", "nofile.py:mine"], "there is no file nofile.py to take a cell from"),
    "a cell's file that is no Python": (["--cell", "list.json:mine"], "list.json is not a Python file"),
    "a cell's file with an error": (["--cell", "broken.py:mine"], "broken.py cannot be run: SyntaxError"),
    "a cell's file that fails": (["--cell", "raises.py:mine"], "raises.py cannot be run: ZeroDivisionError"),
    "a file without that cell": (
        ["--cell", "bad_cell.py:mine"],
        "bad_cell.py has no cell called 'mine'; its cells: closed",
    ),
    "a function that is no cell": (
        ["--cell", "bad_cell.py:plain"],
        "'plain' in bad_cell.py is not a cell: put @unrolled",
    ),
    "a cell that is no equation": (["--cell", "bad_cell.py:closed"], "bad_cell.py:8, in closed: return W * h"),
    "a size of zero": (["--hidden-size", "0"], "hidden_size = 0: Input should be greater than or equal to 1"),
    "a huge size": (["--hidden-size", "900000"], "GiB, this machine has"),
    "an absurd size": (["--hidden-size", str(10**30)], "hidden_size"),
    "a huge batch": (["--batch-size", str(10**9)], "one chunk of 1000000000 streams x 16 steps needs 16,000,000,001"),
    "two lengths": (["--minutes", "1"], "steps and minutes each say how long to train: give one of them"),
    "a wrong share": (["--val-frac", "1.5"], "val_frac = 1.5: Input should be less than 1"),
    "a negative share held out": (["--val-frac", "-1"], "val_frac = -1: Input should be greater than or equal to 0"),
    "a rate that is no number": (["--learning-rate", "nan"], "learning_rate = nan"),
    "a device that is not there": (["--device", "cuda"], "the device 'cuda' cannot be used"),
    "a device that does not exist": (["--device", "gpu"], "the device 'gpu' cannot be used"),
    "a typo in a file of options": (
        ["--config", "options.json"],
        "the options, those in options.json included: there is no option 'hiden_size'. Did you mean 'hidden_size'?",
    ),
    "a list of options": (["--config", "list.json"], "list.json holds list, wanted options with names"),
    "a broken file of options": (["--config", "broken.json"], "broken.json is not JSON"),
    "another broken file of options": (["--config", "broken.toml"], "broken.toml is not TOML"),
    "a wrong type in a file of options": (
        ["--config", "wrong.toml"],
        "num_layers = 'big': Input should be a valid integer",
    ),
    "no file of options": (["--config", "no.json"], "the options in no.json cannot be read: No such file"),
    "a run that is there": (["-o", "run"], "run holds a run already: choose another place with -o, or replace it"),
    "a folder that is no run": (["-o", "pictures", "--overwrite"], "pictures exists and is not a run"),
    "a file instead of a folder": (["-o", "text.py"], "text.py exists and is not a run"),
    "a place below a file": (["-o", "text.py/run"], "cannot be made: text.py is no folder"),
}


@pytest.mark.parametrize("case", TRAIN)
def test_train(unrolled, bad, case):
    arguments, message = TRAIN[case]
    data = [] if arguments and not arguments[0].startswith("--") and arguments[0] != "-o" else ["text.py"]
    out = [] if "-o" in arguments else ["-o", f"out-{abs(hash(case))}"]
    ran = unrolled("train", *data, *SMALL, "--steps", 2, *arguments, *out)
    _check(ran, message, 1)
    assert not out or not (bad / out[1]).exists(), "nothing is left behind"


USAGE = {
    "an unknown option": (
        ["train", "--hiden-size", "3"],
        "No such option: --hiden-size (Possible options: --hidden-size, --image-size, --write-size)",
    ),
    "a word instead of a number": (["train", "--hidden-size", "big"], "Invalid value for '--hidden-size'"),
    "an unknown optimiser": (["train", "--optimizer", "sgdd"], "'--optimizer'"),
    "an unknown task": (["train", "--task", "poetry"], "'--task'"),
    "an unknown command": (["trian"], "No such command 'trian'. Did you mean 'train'?"),
    "no run": (["sample"], "Missing argument 'RUN'"),
    "no examples": (["predict", "run"], "Missing argument"),
    "an unknown format": (["export", "run", "--to", "gguf"], "Invalid value for '--to'"),
    "an option of another command": (["export", "run", "--precision", "int8"], "No such option: --precision"),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage(unrolled, case):
    arguments, message = USAGE[case]
    _check(unrolled(*arguments), message, 2)


USE = {
    "a run that is not there": (["sample", "rum"], "there is no run rum. Did you mean 'run'?"),
    "a folder that is no run": (["sample", "pictures"], "pictures is not a run: it has no config.json"),
    "a run of something else": (["sample", "damaged"], "damaged is not a run of this version"),
    "a file that is no run": (["sample", "text.py"], "text.py is a file, not the folder of a run"),
    "unseen characters in the prompt": (
        ["sample", "run", "--prompt", "d\u00e9f \u4e16"],
        "the prompt holds characters that the model has never seen: '\u00e9' '\u4e16'. It knows 16:",
    ),
    "a negative temperature": (["sample", "run", "--temperature", "-1"], "temperature -1.0: give 0"),
    "top-k of zero": (["sample", "run", "--top-k", "0"], "top-k 0: give a whole number of symbols"),
    "top-p of two": (["sample", "run", "--top-p", "2"], "top-p 2.0: give a probability above 0, at most 1"),
    "a negative length": (["sample", "run", "--length", "-5"], "length -5: give the number of characters to write"),
    "a negative seed": (["sample", "run", "--seed", "-5"], "seed -5: give a whole number, 0 or more"),
    "a text that is not there": (["eval", "run", "nowhere.txt"], "there is no file, folder or corpus nowhere.txt"),
    "a text of unknown symbols": (["eval", "run", "one.txt", "--json"], None),
    "an empty text": (["eval", "run", "empty.txt"], "empty.txt is empty"),
    "binary data": (["eval", "run", "binary.bin"], "binary.bin is not UTF-8 text"),
    "a beam for a text": (
        ["eval", "run", "text.py", "--beam", "3"],
        "beam is no option of a use of --task text, which",
    ),
    "a mean of too many": (
        ["sample", "run", "--average", "9"],
        "9 checkpoints are to be averaged, and run keeps 2 and",
    ),
    "a mean of less than none": (["eval", "run", "text.py", "--average", "-1"], "--average -1: give a number of check"),
    "two weights for an export": (["export", "run", "--best", "--average", "2"], "--average 2: give a number of check"),
    "no run to export": (["export", "rum"], "there is no run rum. Did you mean 'run'?"),
    "a file that is no export": (["export", "run", "-o", "text.py"], "text.py is there, and is no ONNX file: give"),
    "a folder for an export": (
        ["export", "run", "-o", "nothing"],
        "nothing is a folder: name a file in it, -o nothing/",
    ),
    "a folder that is not there": (["export", "run", "-o", "no/it.onnx"], "no/it.onnx cannot be written: No such file"),
    "an unknown cell": (["cells", "lstmm"], "Did you mean 'lstm'?"),
    "a cell that is no equation": (["cells", "bad_cell.py:closed"], "multiply was given a torch tensor"),
}


@pytest.mark.parametrize("case", USE)
def test_use(unrolled, case):
    arguments, message = USE[case]
    ran = unrolled(*arguments)
    if message is None:
        assert json.loads(ran.stdout)["chars"] == 4999
        return
    _check(ran, message, 1)
    assert ran.stdout == ""


def _check(ran, message: str, code: int) -> None:
    said = " ".join(ran.stderr.replace("\u2502", " ").split())
    assert message in said, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.returncode == code
    if code == 1:
        assert ran.stderr.startswith("error: ")
