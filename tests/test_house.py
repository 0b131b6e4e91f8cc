"""Imports run one way: every import of every file is held against the table of rooms in docs/architecture.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "unrolled"
DOOR = {"__init__", "__main__", "ops"}
ROW = re.compile(r"^\| (\w+) \|([^|]*)\|([^|]*)\|", re.MULTILINE)


def _table() -> dict[str, tuple[set[str], set[str]]]:
    """room -> (rooms it may import, libraries it may import)"""
    rows = ROW.findall((ROOT / "docs" / "architecture.md").read_text())
    split = [
        (room, *({word.strip() for word in cell.split(",") if word.strip()} for cell in cells)) for room, *cells in rows
    ]
    return {room: (rooms, libraries) for room, rooms, libraries in split if room != "room"}


def _room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> list[str]:
    """Every module that a file imports, by its full name."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found += [f"{node.module}.{one.name}" for one in node.names]
    return found


def complaints(path: Path, room: str, table: dict[str, tuple[set[str], set[str]]]) -> list[str]:
    """One sentence for each import that leads the wrong way."""
    rooms, libraries = table[room]
    told = []
    for name in _imports(path):
        first, _, rest = name.partition(".")
        if first == "unrolled":
            other = rest.partition(".")[0]
            if other != room and other not in rooms:
                told.append(
                    f"{path.name} in the room {room} imports the room {other}, which is not left of it ({name})"
                )
        elif first not in sys.stdlib_module_names and first not in libraries:
            told.append(f"{path.name} in the room {room} imports {first}, which is not among its libraries")
    return told


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if _room_of(path) not in DOOR]


def test_the_table_grants_nothing_that_is_not_used():
    used: dict[str, set[str]] = {room: set() for room in _table()}
    for path in FILES:
        used[_room_of(path)] |= {name.split(".")[1] for name in _imports(path) if name.startswith("unrolled.")}
        used[_room_of(path)] |= {name.split(".")[0] for name in _imports(path)} - {"unrolled"}
    for room, (rooms, libraries) in _table().items():
        unused = (rooms | libraries) - used[room]
        assert not unused, f"the room {room} may use {unused} and does not"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    assert not complaints(path, _room_of(path), _table())


def test_every_room_is_in_the_table():
    assert {_room_of(path) for path in FILES} == set(_table())


def test_a_room_may_only_import_rooms_above_it():
    seen: set[str] = set()
    for room, (rooms, _) in _table().items():
        assert rooms <= seen, f"the room {room} may import {rooms - seen}, which stand below it"
        seen.add(room)


def test_the_wrong_way_is_found(tmp_path):
    path = tmp_path / "lstm.py"
    path.write_text("import torch\nfrom unrolled.runs import train\nfrom unrolled import layers\n")
    assert complaints(path, "cells", _table()) == [
        "lstm.py in the room cells imports torch, which is not among its libraries",
        "lstm.py in the room cells imports the room runs, which is not left of it (unrolled.runs.train)",
        "lstm.py in the room cells imports the room layers, which is not left of it (unrolled.layers)",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_what_it_knows(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "the first sentence says what the module knows"


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_the_door_opens_nothing_by_itself():
    assert not {"torch", "rich", "typer", "plotly", "starlette"} & _loaded_by("import unrolled")


def test_what_is_an_extra_is_loaded_when_it_is_needed():
    assert not {"av", "onnx", "onnxruntime", "tokenizers"} & _loaded_by("import unrolled.cli.commands")


def test_images_are_made_without_figures():
    """What `unrolled draw` needs: plotly takes longer to load than an image to draw."""
    statement = "import unrolled.cli.commands, unrolled.runs.drawing, unrolled.runs.saved_images"
    assert "plotly" not in _loaded_by(statement)


def test_the_language_needs_no_tensor_library():
    statement = "from unrolled import cell, cells, ops; cells.lstm.graph"
    assert not {"torch", "numpy"} & _loaded_by(statement)
