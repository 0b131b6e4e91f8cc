"""Somebody's model, by the name of a function that makes it: `file.py:function`. Trains nothing, knows no run."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from unrolled.cells.finding import run_file
from unrolled.errors import ConfigError, UnrolledError, described, did_you_mean
from unrolled.inspection import Account, Label, account_of
from unrolled.inspection import open as opened
from unrolled.inspection.labels import in_words

_FORM = re.compile(r"(?P<file>.+\.py):(?P<name>[^\W\d]\w*)", re.DOTALL)
_WANTED = "a model, what it is called with (a tensor, or a tuple of arguments), and if you like a mapping of labels"


def names_a_model(text: str | PathLike[str]) -> bool:
    """Whether it is `file.py:function`."""
    return _FORM.fullmatch(str(text)) is not None


def look_at(text: str, say: Callable[[str], None]) -> tuple[Account, int]:
    """What is to be seen in the model that a function returns, and how many steps it ran over.

    Raises:
        ConfigError: no such file or function, it fails, returns something else, or its model fails.
        DataError: labels that do not fit.
    """
    match = _FORM.fullmatch(text)
    assert match is not None
    path, name = Path(match["file"]), match["name"]
    with guarded(f"{text} failed"), redirect_stdout(sys.stderr):
        returned = _function(path, name)()
    model, inputs, given = _parts(returned, text)
    columns = dict(given)
    symbols = _symbols(columns.pop("text", ()))
    labels = [_label(str(key), column) for key, column in columns.items()]
    with guarded(f"the model of {text} cannot be run"), redirect_stdout(sys.stderr):
        found = account_of(opened(model), *inputs, symbols=symbols, labels=labels, say=say)
    steps = max((len(one.values) for one in found.units), default=0)
    if symbols and len(symbols) != steps:
        raise ConfigError(f"{text}: its text has {len(symbols)} symbols, and the model ran over {steps} steps")
    return found, steps


def module_of(text: str) -> nn.Module:
    """The module that a function returns, in evaluation.

    Raises:
        ConfigError: no such file or function, it fails, or returns something else.
    """
    match = _FORM.fullmatch(text)
    assert match is not None
    with guarded(f"{text} failed"), redirect_stdout(sys.stderr):
        returned = _function(Path(match["file"]), match["name"])()
    if not isinstance(returned, nn.Module):
        raise ConfigError(f"{text} returned {type(returned).__name__}: wanted a torch.nn.Module")
    return returned.eval()


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Whatever a stranger's code raises within the block becomes an error that says what it was about."""
    try:
        yield
    except (UnrolledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit: it is asked for a model, not to end the program
        raise ConfigError(f"{what}: {described(error)}") from error


def _function(path: Path, name: str) -> Callable[[], Any]:
    module = vars(run_file(path, ConfigError, "a model"))
    if name not in module:
        functions = [key for key, value in module.items() if callable(value) and not key.startswith("_")]
        raise ConfigError(f"{path} has no function {name!r}.{did_you_mean(name, functions)}")
    found: Any = module[name]
    if not callable(found):
        raise ConfigError(f"{name!r} in {path} is {type(found).__name__}, not a function that returns {_WANTED}")
    return found  # type: ignore[no-any-return]


def _parts(returned: Any, text: str) -> tuple[nn.Module, tuple[Any, ...], Mapping[str, Any]]:
    parts = returned if isinstance(returned, tuple) else (returned,)
    labels = parts[2] if len(parts) == 3 else {}
    if len(parts) not in (2, 3) or not isinstance(parts[0], nn.Module) or not isinstance(labels, Mapping):
        kinds = ", ".join(type(one).__name__ for one in parts)
        raise ConfigError(f"{text} returns {kinds}: wanted {_WANTED}")
    inputs = parts[1]
    return parts[0], inputs if type(inputs) is tuple else (inputs,), labels  # (a packed sequence is a named one)


def _symbols(given: Any) -> list[str]:
    try:
        return [str(one) for one in given]
    except TypeError as error:
        raise ConfigError(f'the label "text" is {type(given).__name__}: give a text, or a list of symbols') from error


def _label(name: str, column: Sequence[Any]) -> Label:
    try:
        values = np.asarray(column, dtype=np.float64)
    except Exception as error:  # (whatever the column is)
        raise ConfigError(f"the label {name!r} is not made of numbers: {error}") from error
    if values.ndim != 1:
        raise ConfigError(f"the label {name!r} has shape {list(values.shape)}: give one number for each step")
    if not np.isfinite(values).all():
        raise ConfigError(f"the label {name!r} is not finite at step {int(np.isfinite(values).argmin())}")
    return Label(name, in_words(name, values), values)
