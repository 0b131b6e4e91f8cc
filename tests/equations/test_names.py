"""Names: every local name of a cell's function stands for the value it was last bound to.

The oracle is Python itself: the same source is executed on tensors, where `locals()` says what each name holds.
"""

from __future__ import annotations

import contextlib
import cProfile
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from nbclient import NotebookClient

from tests.equations.random_cells import defined, programs, returns, source_of
from unrolled import Graph, Recurrent, cell
from unrolled.engine import Noise, Program
from unrolled.engine.direct import _Direct
from unrolled.equations.scope import answering
from unrolled.ops import affine, linear, tanh

B, H = 2, 3


def _locals_of(source: str, program, tensors, parameters, noise) -> tuple[dict, tuple]:
    """Execute the program on tensors; what its local names hold at the end, and what it returned."""
    seen: dict[str, object] = {}

    def watch(frame, event, _):
        if frame.f_code is program.__code__ and event == "return":
            seen.update(frame.f_locals)
        return watch if frame.f_code is program.__code__ else None

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        with answering(_Direct(parameters, H, noise)):
            returned = program(*tensors)
    finally:
        sys.settrace(before)
    return {name: value for name, value in seen.items() if isinstance(value, torch.Tensor)}, returned


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=programs, last=returns)
def test_names_are_what_python_says(body, last):
    _check_names(source_of(body, last))


@pytest.mark.proof
@settings(max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=programs, last=returns)
def test_names_are_what_python_says_many_times(body, last):
    _check_names(source_of(body, last))


@pytest.mark.proof
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_other_pythons_trace_the_same_graphs(version, tmp_path):
    """300 random programs: the same graph, names included. UNROLLED_PYTHONS lists the interpreters to ask."""
    python = _python(version)
    sources: list[str] = []

    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(body=programs, last=returns)
    def collect(body, last):
        sources.append(source_of(body, last))

    collect()
    venv = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin" / "python", "-m", "pip", "install", "--quiet", "pydantic"], check=True)
    told = subprocess.run(
        [venv / "bin" / "python", "-c", TRACE_ALL],
        input=json.dumps(sources), capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)}, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    for source, graph in zip(sources, json.loads(told.stdout), strict=True):
        assert cell(defined(source, {})).graph.to_json() == graph, source


SOURCE = Path(__file__).parents[2] / "src"
TRACE_ALL = """
import json, sys
from unrolled import cell, ops
graphs = []
for source in json.load(sys.stdin):
    namespace = {name: getattr(ops, name) for name in ops.__all__}
    exec(compile(source, "<random program>", "exec"), namespace)
    graphs.append(cell(namespace["program"]).graph.to_json())
print(json.dumps(graphs))
"""


def _python(version: str) -> str:
    """An interpreter of that version, from UNROLLED_PYTHONS or the path."""
    for one in [*os.environ.get("UNROLLED_PYTHONS", "").split(), f"python{version}"]:
        with contextlib.suppress(OSError):
            ran = subprocess.run([one, "--version"], capture_output=True, text=True, check=False)
            if ran.returncode == 0 and ran.stdout.startswith(f"Python {version}"):
                return one
    raise AssertionError(f"no Python {version}: name one in UNROLLED_PYTHONS, with spaces between them")


def _check_names(source: str) -> None:
    graph = cell(defined(source, {})).graph

    program = Program(graph, H + 1, H)
    shapes = program.parameter_shapes()
    parameters = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    x, h, c = (torch.randn(B, width, dtype=torch.float64) for width in (H + 1, H, H))
    noise = [one.view(B, -1) for one in program.draw(Noise(7), 0, 1, B, x)]
    values = program.reference.named_values(x, {"h": h, "c": c}, parameters, noise)

    # on tensors, += would change a value that has other names too
    oracle = defined(re.sub(r"(\w) \+= (.*)", r"\1 = \1 + (\2)", source), {})
    held, returned = _locals_of(source, oracle, (x, h, c), parameters, noise)
    for name, value in zip(("h", "c"), returned, strict=True):
        assert torch.equal(values[name], value), f"the new {name}\n{source}"
    assert torch.equal(values["h@0"], h)
    assert torch.equal(values["c@0"], c)
    for name, value in held.items():
        if name == "h" and not torch.equal(value, returned[0]):
            continue  # the returned value takes the state's name
        if name == "x":
            assert torch.equal(values[name], x)
        else:
            assert torch.equal(values[name].expand_as(value), value), f"{name}\n{source}"


def test_reassigned_names_are_numbered_and_the_last_is_plain():
    @cell
    def counted(x, h):
        a = tanh(linear(x))  # a@1
        a = a * 2  # a@2
        a = a + h  # a
        h = a - 1  # h
        return h

    graph = counted.graph
    operations = {name: graph.nodes[place].operation for name, place in graph.names.items()}
    assert operations == {
        "x": "input", "h@0": "state", "a@1": "tanh", "a@2": "multiply", "a": "add", "h": "subtract",
    }  # fmt: skip


def test_a_returned_expression_takes_the_state_s_name():
    @cell
    def bare(x, h):
        n = tanh(affine(x, h))
        return 0.5 * h + 0.5 * n

    graph = bare.graph
    assert graph.nodes[graph.names["h"]].operation == "add"
    assert graph.nodes[graph.names["h@0"]].operation == "state"


def test_an_output_that_is_no_state():
    @cell
    def with_output(x, h):
        h = tanh(affine(x, h))
        y = linear(h, to=2)
        return y, h

    assert with_output.graph.output == with_output.graph.names["y"]
    assert str(with_output.graph.output_width) == "2H"


def test_a_lambda_and_an_exec_need_nosource_of():
    graph = cell(lambda x, h: tanh(affine(x, h))).graph
    assert set(graph.names) == {"x", "h@0", "h"}
    namespace = {"tanh": tanh, "affine": affine}
    exec("def typed(x, h):\n    n = affine(x, h)\n    h = tanh(n)\n    return h", namespace)
    assert set(cell(namespace["typed"]).graph.names) == {"x", "h@0", "n", "h"}


def test_names_in_containers():
    @cell
    def boxed(x, h):
        gates = affine(x, h, parts=2)
        last = {"new": tanh(gates[1]), "old": h}
        h = last["new"] * gates[0]
        return h

    names = boxed.graph.names
    assert names["gates_0"] < names["gates_1"] < names["last_new"] < names["h"]
    assert names["last_old"] == names["h@0"]


UNICODE = """
from unrolled import cell
from unrolled.ops import affine, sigmoid, tanh, weight

@cell
def written(x, h, स्मृति):
    h̃ = tanh(affine(x, h))
    ℘ = sigmoid(affine(x))
    a·b = ℘ * h̃
    Å = weight(name="h̃") * a·b
    gates = {"²": tanh(h̃), "β": Å + 1.0}
    return gates["β"], gates["²"]
"""


def test_names_in_any_script():
    space = {}
    exec(UNICODE, space)
    graph = space["written"].graph
    assert Graph.from_json(graph.to_json()) == graph
    assert {"h̃", "℘", "a·b", "Å", "gates_β"} <= set(graph.names)  # Å is Å in Python's NFKC
    assert [one.name for one in graph.parameters] == [
        "weight_h̃_x", "bias_h̃_x", "weight_h̃_h", "bias_h̃_h", "weight_℘", "bias_℘", "weight_h̃",
    ]  # fmt: skip
    layer = Recurrent(space["written"], 2, 3)
    assert set(layer.state_dict()) == {f"layer0.{one.name}" for one in graph.parameters}


def test_what_is_gone_at_the_end_has_no_name():
    @cell
    def tidy(x, h):
        parts = [tanh(affine(x, k)) for k in (h, h * 2)]
        total = parts[0] + parts[1]
        del parts
        return total * 0.5

    assert list(tidy.graph.names) == ["x", "h@0", "total", "h"]


def test_a_decorated_function_keeps_its_names():
    from functools import wraps

    def noisy(function):
        @wraps(function)
        def inner(*args, **kwargs):
            unrelated = tanh(args[1])  # noqa: F841 (a local of another function)
            return function(*args, **kwargs)

        return inner

    @cell
    @noisy
    def kept(x, h):
        n = affine(x, h)
        return tanh(n)

    assert set(kept.graph.names) == {"x", "h@0", "n", "h"}


def test_a_delay_line_hands_its_old_value_on():
    @cell
    def delayed(x, h1, h2):
        new = tanh(affine(x, h1, h2))
        return new, h1

    first, second = delayed.graph.states
    assert second.after == first.before


LSTM_NAMES = ["x", "h@0", "c@0", "i@1", "f@1", "o@1", "g@1", "i", "f", "o", "g", "c", "h"]


def test_under_a_profiler_and_a_tracer_of_python():
    from unrolled import cells

    heard = []
    sys.setprofile(lambda *event: heard.append(event[1]))
    try:
        names = list(cells.lstm(forget_bias=0.5).graph.names)
        after = sys.getprofile()
    finally:
        sys.setprofile(None)
    assert names == LSTM_NAMES
    assert after is not None, "the user's profiler was taken away"
    assert heard

    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        assert list(cells.lstm(forget_bias=0.6).graph.names) == LSTM_NAMES
    finally:
        sys.settrace(before)


def test_under_cprofile():
    from unrolled import cells

    names = cProfile.Profile().runcall(lambda: list(cells.lstm(forget_bias=0.7).graph.names))
    assert names == LSTM_NAMES


SCRIPT = """
from unrolled import cell
from unrolled.ops import affine, sigmoid, tanh

@cell
def mine(x, h, c):
    i, f, o, g = affine(x, h, parts=4)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), tanh(g)
    c = f * c + i * g
    h = o * tanh(c)
    return h, c

names = list(mine.graph.names)
"""


@pytest.mark.parametrize("core", ["ctrace", "pytrace"])
def test_under_coverage(tmp_path, core):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "print(names)\n")
    command = [sys.executable, "-m", "coverage", "run", f"--data-file={tmp_path}/data", str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, env={"COVERAGE_CORE": core}, check=False)
    assert ran.stdout.strip() == str(LSTM_NAMES), ran.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_notebook(tmp_path):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(SCRIPT), nbformat.v4.new_code_cell("print(names)")]
    )
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert notebook.cells[1].outputs[0].text.strip() == str(LSTM_NAMES)
