"""The shelf of cells: each one its equation and its citation. Knows no tensors, no layers."""

from unrolled.cells.finding import find as _find
from unrolled.cells.gru import gru, gru_v3
from unrolled.cells.lstm import lstm
from unrolled.cells.rnn import rnn
from unrolled.equations import Cell

__all__ = ["find", "gru", "gru_v3", "lstm", "rnn", "shelf"]


def shelf() -> dict[str, Cell]:
    """Every cell known by its name."""
    return {name: value for name, value in globals().items() if isinstance(value, Cell)}


def find(text: str) -> Cell:
    """The cell that a text names: `lstm`, `rnn(bias="shared")`, `my.py:cell` or `my.py:cell(option=2)`.

    A file is executed, as importing it would.

    Raises:
        CellError: no such cell, file or option, or a text that is not of this form.
    """
    return _find(text, shelf())
