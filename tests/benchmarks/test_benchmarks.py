"""The benchmarks run at tiny sizes, and report nothing where an answer is wrong. No time is asserted."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import unrolled
from benchmarks import cells as cells_benchmark
from benchmarks import contestants, gist, layers, machine, measure, models, narrow_loss, report, sampling
from benchmarks.__main__ import RUNS
from benchmarks.invented import invented
from benchmarks.loops import HoistedLoop, direct_loop
from benchmarks.measure import Entry, WrongAnswerError, check, distance, race, with_threads
from benchmarks.work import by_reference, operations, truth, work_for
from unrolled import Recurrent, TextConfig, cells

ROOT = Path(__file__).parents[2]
QUICK = [
    ["layers"],
    ["layers", "--dtype", "bfloat16", "--only", "lstm"],
    ["cells", "--only", "lru"],
    ["sampling"],
    ["stepping"],
    ["training_steps", "--only", "char-rnn", "float32"],
    ["gist"],
    ["recording", "--only", "char-rnn"],
    pytest.param(["busy"], marks=pytest.mark.proof),
    pytest.param(["memory"], marks=pytest.mark.proof),
]


@pytest.fixture(autouse=True)
def _no_jax(monkeypatch):
    """JAX warns of every fork that comes after it, so it stays out of the tests' own process."""
    monkeypatch.setattr(cells_benchmark, "HAVE_JAX", False)


def _run(words, tmp_path):
    module, *options = words
    file = tmp_path / "report.json"
    importlib.import_module(f"benchmarks.{module}").main(["--quick", "--json", str(file), *options])
    return json.loads(file.read_text())


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_it_runs_and_reports(words, tmp_path, capsys):
    made = _run(words, tmp_path)
    printed = capsys.readouterr().out
    assert made["tables"]
    for title, rows in made["tables"].items():
        assert f"## {title}" in printed
        assert rows
        for row in rows:
            assert list(row) == list(rows[0])
            numbers = [value for value in row.values() if isinstance(value, float)]
            assert numbers
            assert all(math.isfinite(value) and value > 0 for value in numbers), row
    assert {"processor", "engine", "versions", "load average (1 minute)"} <= set(made["machine"])
    assert f"python -m benchmarks.{words[0]} --quick" in made["command"]


def test_the_cells_are_all_there(tmp_path):
    made = _run(["cells", "--invent", "5"], tmp_path)
    names = [row["cell"] for row in made["tables"]["Times"]]
    assert names == [*cells.shelf(), "invented_5"]
    scans = {row["cell"] for row in made["tables"]["The scan alone"]}
    assert scans == {"ind_rnn", "min_gru", "min_lstm", "sru", "lru", "rg_lru"}
    assert any("def invented_5(x, h" in remark for remark in made["remarks"])
    assert any("jax is not installed" in remark for remark in made["remarks"])


def _refused(words, tmp_path, capsys):
    """What a benchmark says that must not report anything."""
    with pytest.raises(SystemExit) as ended:
        _run(words, tmp_path)
    assert ended.value.code not in (0, None)
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())
    return str(ended.value.code)


def test_a_wrong_output_is_no_result(tmp_path, capsys, monkeypatch):
    right = unrolled.GRU._run
    wrong = lambda *arguments: (right(*arguments)[0] * 1.0001, right(*arguments)[1])
    monkeypatch.setattr(unrolled.GRU, "_run", wrong)
    # the truth comes from the same layer: torch's is what is told apart
    assert "gru H=9 B=3: torch.nn: output is off by 1.0e-04" in _refused(["layers"], tmp_path, capsys)


class _WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(_, value):
        return value.clone()

    @staticmethod
    def backward(_, gradient):
        return gradient * 1.001


def test_a_wrong_gradient_is_no_result(tmp_path, capsys, monkeypatch):
    def wrong(layer):
        def run(x, state, _):
            output, after = layer(_WrongGradient.apply(x), {name: value.unsqueeze(0) for name, value in state.items()})
            return output, {name: value.squeeze(0) for name, value in after.items()}

        return run

    monkeypatch.setattr(cells_benchmark, "by_layer", wrong)
    told = _refused(["cells", "--only", "slstm"], tmp_path, capsys)
    assert "slstm H=7 B=3: unrolled: gradient of x is off by 1.0e-03" in told


def test_a_wrong_text_is_no_result(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sampling, "generate", lambda *arguments: iter([1] * arguments[2]))
    assert "write different texts" in _refused(["sampling"], tmp_path, capsys)


def test_a_wrong_step_of_the_script_is_no_result(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gist.min_char_rnn, "together", lambda *_: (0.0, 1e-3))
    assert "a weight differs from the script's by 1.0e-03" in _refused(["gist"], tmp_path, capsys)


def test_a_wrong_training_is_no_result(tmp_path, capsys, monkeypatch):
    told = {True: torch.tensor([4.0, 3.0, 2.0]), False: torch.tensor([4.0, 3.0, 2.1])}

    @contextmanager
    def process(_, team):
        class Connection:
            recv = staticmethod(lambda: told[team.is_ours])

        yield Connection()

    monkeypatch.setattr(contestants, "_process", process)
    for module in ("busy", "training_steps"):
        assert "losses is off by" in _refused([module], tmp_path, capsys)


def test_the_gate():
    right = {"a": torch.tensor([1.0, 2.0]), "b": torch.zeros(2)}
    check("case", {"us": dict(right)}, right, 1e-5)
    for name, wrong, says in (
        ("a", torch.tensor([1.0, 2.001]), "us: a is off by 5.0e-04"),
        ("a", torch.tensor([1.0, math.nan]), "us: a is off by nan"),
        ("a", torch.tensor([1.0]), "us: a is off by inf"),
        ("b", torch.full((2,), 1e-20), "us: b is off by 1.0e+10"),
    ):
        with pytest.raises(WrongAnswerError, match=f"case: {says}".replace("+", r"\+")):
            check("case", {"them": dict(right), "us": right | {name: wrong}}, right, 1e-5)
    with pytest.raises(WrongAnswerError, match="us gives no b"):
        check("case", {"us": {"a": right["a"]}}, right, 1e-5)


def test_the_gate_allows_for_rounding_but_not_for_much():
    right = {"a": torch.tensor([1.0, 2.0], dtype=torch.float64)}
    off = lambda by: {"a": torch.tensor([1.0, 2.0 + by])}
    check("case", {"us": off(1e-3)}, right, 1e-5, rounded=off(2e-4))
    for by, rounding in ((1e-3, 1e-5), (1e-2, 1e-2)):
        with pytest.raises(WrongAnswerError):
            check("case", {"us": off(by)}, right, 1e-5, rounded=off(rounding))
    assert distance(off(1e-3)["a"], right["a"]) == pytest.approx(5e-4, rel=1e-3)


def test_of_a_team_the_fastest_way_counts(monkeypatch):
    seconds = {("us", "a", 1): 3.0, ("us", "a", 2): 2.0, ("us", "b", 1): 2.2, ("us", "b", 2): 9.0, ("them", "", 2): 5.0}
    asked = []

    def told(entry, times):
        asked.append((entry.team, entry.way, entry.threads))
        return seconds[asked[-1]]

    monkeypatch.setattr(measure, "_seconds", told)
    entries = [*with_threads("us", print, "a"), *with_threads("us", print, "b"), Entry("them", print)]
    times = race(entries, 3)
    assert {team: (one.ms, one.way, one.threads) for team, one in times.items()} == {
        "us": (2000.0, "a", 2),
        "them": (5000.0, "", 2),
    }
    # in turns, and without the ways that were hopeless at first
    assert asked[15:] == [("us", "a", 2), ("us", "b", 1), ("them", "", 2)] * 3


def test_a_way_runs_with_its_threads():
    before, seen = torch.get_num_threads(), []
    race(with_threads("us", lambda: seen.append(torch.get_num_threads())), 1)
    assert {1, 2} <= set(seen)
    assert torch.get_num_threads() == before


def test_a_noisy_machine_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.Machine, "disturbance", lambda _: 0.42)
    assert any("not quiet" in remark and "0.42" in remark for remark in _run(["gist"], tmp_path)["remarks"])
    monkeypatch.setattr(machine.Machine, "disturbance", lambda _: 0.01)
    assert _run(["gist"], tmp_path)["remarks"] == []


def test_the_command_is_told_again():
    options = report.parser("").parse_args(["--quick", "--only", "lstm", "H=9", "--json", "x.json"])
    assert report._command("layers", options) == "python -m benchmarks.layers --quick --only lstm H=9 --seed 1"
    zero = report.parser("").parse_args(["--seed", "0"])
    assert report._command("layers", zero) == "python -m benchmarks.layers --seed 0"
    assert report.is_wanted("lstm H=9 B=3", options)
    assert not report.is_wanted("gru H=9 B=3", options)


def test_operations_are_those_of_the_products():
    assert layers.Case("lstm", 4, 3, steps=5).operations == 3 * 2 * 5 * 3 * (16 * 4 + 16 * 4)
    assert operations([(2, 3)], 5, 7) == 3 * 2 * 5 * 7 * 6


@pytest.mark.parametrize("seed", range(25))
def test_an_invented_cell_is_a_cell(seed):
    """Its loops agree with the reference in float64."""
    cell, text = invented(seed)
    assert (cell.name, text) == (f"invented_{seed}", invented(seed)[1])
    layer = Recurrent(cell, 5, 6)
    work = work_for(layer, 7, 3).to(torch.float64)
    right = work.answer(by_reference(layer))
    for loop in (direct_loop(cell, 6), HoistedLoop(layer.graph, 5, 6)):
        check(text, {"loop": work.answer(loop)}, right, 1e-12)


@pytest.mark.parametrize("name", cells.shelf())
def test_the_loops_are_the_cell(name):
    layer = Recurrent(name, 5, 6)
    work = work_for(layer, 7, 3)
    right, exact = truth(layer, work), work.to(torch.float64)
    late = HoistedLoop(layer.graph, 5, 6, only_products=True)
    for loop in (direct_loop(cells.find(name), 6), HoistedLoop(layer.graph, 5, 6), late):
        check(name, {"loop": exact.answer(loop)}, right, 1e-12)


def test_the_models_in_torch_train_as_ours_do():
    for recipe in models.recipes(is_quick=True):
        ours, theirs = models.losses(models.our_step(recipe), 8), models.losses(models.torch_step(recipe), 8)
        assert len(set(ours.tolist())) == 8
        assert distance(ours, theirs) <= (1e-2 if recipe.is_bfloat16 else 1e-5), str(recipe)


@pytest.mark.parametrize("peer", ["jax", "torchrecurrent"])
def test_a_peer_that_is_installed_takes_part(peer, tmp_path):
    if importlib.util.find_spec(peer) is None:
        pytest.skip(f"{peer} is not installed: pip install '.[bench]'")
    cell, column = {"jax": ("gru", "JAX, ms"), "torchrecurrent": ("mut2", "torchrecurrent, ms")}[peer]
    words = ["--quick", "--only", cell, "--json", tmp_path / "report.json"]
    subprocess.run([sys.executable, "-m", "benchmarks.cells", *words], cwd=ROOT, check=True, capture_output=True)
    (row,) = json.loads((tmp_path / "report.json").read_text())["tables"]["Times"]
    assert row[column] > 0


@pytest.mark.proof
def test_all_of_them(tmp_path):
    words = [sys.executable, "-m", "benchmarks", "--quick", "--folder", tmp_path]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{ending}" for name in RUNS for ending in ("md", "json")
    }


@pytest.fixture
def run_and_text(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("a short text, written again and again. " * 30)
    config = TextConfig(data=(str(text),), hidden_size=33, steps=3, samples=0, seq_length=9, batch_size=4)
    return str(unrolled.train(config, tmp_path / "run")), str(text)


@pytest.mark.skipif(not machine.has_engine(), reason="installed without the native engine")
def test_what_narrow_matrices_cost(run_and_text, capsys, monkeypatch):
    narrow_loss.main([*run_and_text])
    told = capsys.readouterr().out
    losses = {name: float(loss) for name, loss, *_ in map(str.split, told.splitlines())}
    assert list(losses) == ["float32", "bf16", "int8"]
    assert losses["float32"] == pytest.approx(unrolled.evaluate(*run_and_text).nats_per_char, abs=1e-4)
    assert max(losses.values()) - min(losses.values()) < 0.02
    monkeypatch.setattr(narrow_loss, "round_matrices", lambda _: None)
    with pytest.raises(WrongAnswerError, match="the rounded model's logits are off"):
        narrow_loss.main([*run_and_text])
