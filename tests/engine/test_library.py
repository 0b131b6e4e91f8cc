"""The library: which there is, whether it is that of the sources, and its levels of instructions."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tests.cells.checks import CASES
from tests.engine.test_native import _distance, _everything, _layer, _masks, _same
from unrolled import ConfigError, Recurrent, cells, use_engine
from unrolled.engine import Program, level, levels, library, use_level, why_missing
from unrolled.equations import cell
from unrolled.ops import exp, sigmoid, tanh
from unrolled.runs.diagnosis import doctor

ENGINE = pytest.mark.skipif(library() is None, reason="installed without the native engine")
EVERY_LEVEL = [
    pytest.param(name, marks=pytest.mark.skipif(not has, reason=f"this processor lacks {name}"))
    for name, has in levels().items()
]
module = sys.modules["unrolled.engine.library"]


@pytest.fixture
def _forgotten(monkeypatch):
    """Look for the library anew, in the test and after it."""
    module._found.cache_clear()
    yield
    monkeypatch.undo()
    module._found.cache_clear()


def test_the_engine_is_there_where_it_has_to_be():
    if os.environ.get("UNROLLED_REQUIRE_ENGINE") == "1":
        assert library() is not None, f"UNROLLED_REQUIRE_ENGINE=1, and {why_missing()}"


def test_a_library_that_lies_there_is_in_use():
    """Else all tests of the engine would be skipped, and nobody would know."""
    assert module._path() is None or library() is not None, why_missing()


def _check_that_the_reference_serves(reason):
    assert library() is None
    layer = Recurrent("lstm", 3, 4)
    assert layer.plan()["layer0"].startswith(f"reference: {reason}")
    assert layer(torch.randn(2, 1, 3))[0].isfinite().all()
    assert doctor()["engine"].startswith(f"reference (torch, step by step): {reason}")
    assert levels() == {}
    with pytest.raises(ConfigError, match=f"use_engine: {reason}"), use_engine("native"):
        pass
    with pytest.raises(ConfigError, match="there is no native engine"), use_level("avx2"):
        pass


@ENGINE
@pytest.mark.usefixtures("_forgotten")
def test_a_library_of_other_sources(monkeypatch):
    monkeypatch.setattr(module, "_hash_of_sources", lambda: "0" * 64)
    _check_that_the_reference_serves("the native engine's library was built from other sources than those in native/")


@pytest.mark.usefixtures("_forgotten")
def test_a_damaged_library_is_not_used(monkeypatch, tmp_path):
    (tmp_path / module.NAME).write_bytes(b"\x7fELF and no more")
    monkeypatch.setattr(module, "_path", lambda: tmp_path / module.NAME)
    _check_that_the_reference_serves("the native engine's library cannot be loaded: ")


@pytest.mark.usefixtures("_forgotten")
def test_no_library(monkeypatch):
    monkeypatch.setattr(module, "_path", lambda: None)
    _check_that_the_reference_serves("the native engine was not built when Unrolled was installed")


@ENGINE
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", EVERY_LEVEL)
def test_every_level_is_the_reference(name, case):
    sizes = 7, 9, 35, 50
    made = _layer(case.cell, sizes, torch.float32)
    options, weights = _masks("lengths, reset", made), []
    with use_engine("native"), use_level(name):
        mine = _everything(*made, weights, **options)
    with use_engine("reference"):
        theirs = _everything(*made, weights, **options)
    for ours, wanted in zip(mine, theirs, strict=True):
        for one, other in zip(ours, wanted, strict=True):
            assert _distance(one, other) <= 1e-5


@ENGINE
@pytest.mark.parametrize("name", EVERY_LEVEL)
@pytest.mark.parametrize("made", [cells.lstm, cells.gru_v3, cells.layer_norm_lstm], ids=repr)
def test_bits_depend_on_no_threads_and_no_pieces_at_any_level(name, made):
    layer, x = Recurrent(made, 19, 65), torch.randn(6, 13, 19, requires_grad=True)
    before, seen = torch.get_num_threads(), []
    with use_level(name):
        try:
            for threads in (1, 3):
                torch.set_num_threads(threads)
                output, after = layer(x)
                gradients = torch.autograd.grad(output.sum(), [x, *layer.parameters()])
                seen.append(([output, *after.values()], gradients))
        finally:
            torch.set_num_threads(before)
        _same(*seen)
        first, state = layer(x[:2])
        assert torch.equal(torch.cat([first, layer(x[2:], state)[0]]), output)


@ENGINE
def test_a_sequence_ends_at_the_level_at_which_it_began():
    """Its matrices are packed for that level; the level in use may have changed meanwhile."""
    program, x, state, parameters = _layer(cells.lstm, (5, 3, 9, 37), torch.float32)
    names = [name for name, has in levels().items() if has]
    for forward in names:
        gradients = []
        for backward in names:
            with use_level(forward):
                output, _ = program.run(x, state, parameters)
            with use_level(backward):
                gradients.append(torch.autograd.grad(output.pow(2).sum(), [x, *parameters]))
        for one in gradients[1:]:
            _same([one], [gradients[0]])


@ENGINE
def test_the_level_in_use():
    assert level() in levels()
    assert Recurrent("lstm", 3, 4).plan()["layer0"] == f"native, {level()}"
    with use_level("generic"):
        assert Recurrent("lstm", 3, 4).plan()["layer0"] == "native, generic"
    with pytest.raises(ConfigError, match="use_level: there is no level 'avx3' here: generic"), use_level("avx3"):
        pass


@ENGINE
def test_the_variable():
    """UNROLLED_LEVEL, from the command's view."""

    def told(wanted):
        command = [sys.executable, "-m", "unrolled.cli.main", "doctor"]
        return subprocess.run(command, env={**os.environ, "UNROLLED_LEVEL": wanted}, capture_output=True, text=True)

    assert "native, generic" in told("generic").stdout
    assert "UNROLLED_LEVEL=generic" in told("generic").stdout
    wrong = told("genric")
    assert wrong.returncode != 0
    assert "UNROLLED_LEVEL: there is no level 'genric' here" in wrong.stderr
    assert "Did you mean 'generic'?" in wrong.stderr


@ENGINE
@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", EVERY_LEVEL)
def test_all_tests_of_the_engine_at_every_level(name):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "tests/engine/test_native.py",
        "tests/engine/test_contract.py",
    ]
    ended = subprocess.run(command, env={**os.environ, "UNROLLED_LEVEL": name}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-3000:]


FUNCTIONS = {  # and how far from 0 they are looked at
    "sigmoid": (sigmoid, torch.sigmoid, 103.0),
    "tanh": (tanh, torch.tanh, 103.0),
    "exp": (exp, torch.exp, 88.0),
}


@ENGINE
@pytest.mark.parametrize("level", EVERY_LEVEL)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_right_to_four_units_in_the_last_place(name, level):
    mine, torchs, most = FUNCTIONS[name]

    @cell
    def function(x, h):
        return mine(h)

    special = [0.0, -0.0, 1e-30, -1e-30, 1e-42, 0.6249, 0.6251, torch.inf, -torch.inf, torch.nan, 200.0, -200.0]
    at = [sign * most * 10.0**-power * torch.linspace(0, 1, 4001) for power in range(7) for sign in (1, -1)]
    h = torch.cat([torch.tensor(special), *at])
    program = Program(function.graph, 1, len(h))
    with use_engine("native"), use_level(level):
        found = program.run(torch.zeros(1, 1, 1), {"h": h.view(1, -1)}, [])[0].view(-1)
    truth = torchs(h.double())
    nearest = truth.float()
    unit = torch.nextafter(nearest.abs(), torch.tensor(torch.inf)) - nearest.abs()
    right = ((found.double() - truth).abs() <= 4 * unit) | (found == nearest) | (found.isnan() & nearest.isnan())
    assert right.all(), h[~right]
    if name == "tanh":
        assert (found.signbit() == h.signbit())[~h.isnan()].all()
