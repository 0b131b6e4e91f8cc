"""Finding a cell by what a person types: a name, a file and a name, with or without options. Runs no cell."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from unrolled.equations import Cell
from unrolled.errors import CellError, UnrolledError, described, did_you_mean

# my.py:cell(option=2); a colon may stand in the options too
_FILE_AND_CALL = re.compile(r"(?P<file>[^(]*):(?P<call>\s*\w+\s*(\(.*\))?)", re.DOTALL)


def find(text: str, shelf: Mapping[str, Cell]) -> Cell:
    """The cell that a text names: `lstm`, `rnn(bias="shared")`, `my.py:cell` or `my.py:cell(option=2)`.

    A file is executed, as importing it would. `shelf` are the cells known by name.

    Raises:
        CellError: no such cell, file or option, or a text that is not of this form.
    """
    split = _FILE_AND_CALL.fullmatch(text.strip())
    name, options = _read_call(split["call"] if split else text)
    if split:
        return _from_file(Path(split["file"]), name)(**options)
    if name not in shelf:
        raise CellError(
            f"no cell is called {name!r}; there are {', '.join(sorted(shelf))}, or your own: file.py:name."
            + did_you_mean(name, shelf)
        )
    return shelf[name](**options)


def _read_call(text: str) -> tuple[str, dict[str, Any]]:
    """`lstm(forget_bias=1.0)` as its name and its options; only plain values are read, nothing is run."""
    try:
        expression = ast.parse(text.strip(), mode="eval").body
        if isinstance(expression, ast.Name):
            return expression.id, {}
        if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Name) and not expression.args:
            names = [word.arg for word in expression.keywords]
            if None not in names and len(set(names)) == len(names):
                return expression.func.id, {str(one.arg): ast.literal_eval(one.value) for one in expression.keywords}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        pass
    raise CellError(f"{text!r} does not name a cell: write lstm, 'lstm(forget_bias=1.0)' or file.py:name")


def _from_file(path: Path, name: str) -> Cell:
    module = run_file(path, CellError, "a cell")
    found = vars(module).get(name)
    if isinstance(found, Cell):
        return found
    cells = [key for key, value in vars(module).items() if isinstance(value, Cell)]
    if found is not None:
        raise CellError(f"{name!r} in {path} is not a cell: put @unrolled.cell above its function")
    raise CellError(
        f"{path} has no cell called {name!r}; its cells: {', '.join(cells) or 'none'}." + did_you_mean(name, cells)
    )


def run_file(path: Path, refused: type[UnrolledError], wanted: str) -> ModuleType:
    """Execute a file of Python, as importing it would, for what is wanted from it.

    Raises:
        refused: there is no such file, or it fails.
    """
    if not path.is_file():
        raise refused(f"there is no file {path} to take {wanted} from")
    spec = importlib.util.spec_from_file_location(f"unrolled_file_{abs(hash(path.resolve()))}", path)
    if spec is None or spec.loader is None:
        raise refused(f"{path} is not a Python file: its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    streams, folder = (sys.stdout, sys.stderr), str(path.resolve().parent)
    sys.path.insert(0, folder)  # as `python FILE` does: what lies beside it can be imported
    try:
        spec.loader.exec_module(module)
    except (UnrolledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit: the file is asked for something, not to end the program
        raise refused(f"{path} cannot be run: {described(error)}") from error
    finally:
        sys.stdout, sys.stderr = streams
        if folder in sys.path:
            sys.path.remove(folder)
    return module
