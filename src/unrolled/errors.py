"""Every error a user can meet. Knows no tensors, no files, no command line.

    UnrolledError
    ├── EquationError    a cell says what the language cannot; names the line
    │   └── AttributeEquationError   ... by asking a value for an attribute
    ├── GraphError       a stored graph that is not one
    ├── ShapeError       a tensor of the wrong shape, type or size
    ├── CellError        no such cell, or no such option of a cell
    ├── ConfigError      an option or a file of options that cannot be used
    ├── DataError        text that cannot be found, read, encoded or split
    │   └── NoAnswerError    ... or examples of which nothing says what is right
    ├── RunError         a folder that is not a run, or cannot become one
    │   └── PlaceTakenError   ... because something lies there
    ├── AddressError     no such value in a model that is looked into
    ├── TraceError       a folder that holds no trace, or cannot take one
    ├── CheckpointError  weights that cannot be read, or make no recurrent layer
    ├── ExportError      a model that cannot be written for other programs
    ├── TrainingError    training that cannot go on (NaN, explosion)
    └── GenerationError  logits that are no numbers: nothing can be chosen

Each message says what was given, what was wanted and what to do. The command line prints them without
a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnrolledError(Exception):
    """The family: catch this to catch everything that a user can cause."""


class EquationError(UnrolledError, TypeError):
    """A cell's function does what the equation language cannot say; the message names the line."""


class AttributeEquationError(EquationError, AttributeError):
    """A cell's function asks a symbolic value for an attribute or method it does not have."""


class GraphError(UnrolledError, ValueError):
    """A stored graph (the JSON of a cell) is damaged, or of another version."""


class ShapeError(UnrolledError, ValueError):
    """A tensor has another shape, type or size than was wanted."""


class CellError(UnrolledError, ValueError):
    """There is no cell of that name, or the cell has no such option."""


class ConfigError(UnrolledError, ValueError):
    """An option, or a file of options, holds something that cannot be used."""


class DataError(UnrolledError, ValueError):
    """A text cannot be found, read, encoded or split."""


class NoAnswerError(DataError):
    """Nothing says what belongs to an example."""


class RunError(UnrolledError, ValueError):
    """A folder is not a run of Unrolled, is damaged, or is in the way of a new run."""


class PlaceTakenError(RunError):
    """Where a new run should lie, something lies already."""


class AddressError(UnrolledError, KeyError):
    """An address names no value of a model that is looked into."""

    def __str__(self) -> str:
        """The message as it is (a KeyError would show it in quotes)."""
        return str(self.args[0]) if self.args else ""


class TraceError(UnrolledError, ValueError):
    """A folder holds no trace, a damaged one, or cannot take one."""


class CheckpointError(UnrolledError, ValueError):
    """Weights, in a file or a mapping, cannot be read, or make no recurrent layer."""


class ExportError(UnrolledError, ValueError):
    """A model cannot be written for other programs, or what was written is not the model."""


class TrainingError(UnrolledError, ArithmeticError):
    """Training cannot go on: the loss or a gradient is not a number, or exploded."""


class GenerationError(UnrolledError, ArithmeticError):
    """A model's logits are not finite numbers, so no symbol can be chosen by them."""


def described(error: BaseException) -> str:
    """`"ValueError: what it says"`, whatever a stranger's error does when it is asked what it says."""
    try:
        told = str(error)
    except Exception:
        told = ""
    return f"{type(error).__name__}: {told}".rstrip(": ")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`" Did you mean 'lstm'?"` for the nearest of the known words, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
