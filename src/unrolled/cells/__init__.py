"""The shelf of cells: each one its equation and its citation. Knows no tensors, no layers."""

from unrolled.cells.exponential import slstm
from unrolled.cells.finding import find as _find
from unrolled.cells.gated import lru, min_gru, min_lstm, rg_lru, sru
from unrolled.cells.gru import gru, gru_v3
from unrolled.cells.independent import ind_rnn, irnn
from unrolled.cells.lstm import lstm
from unrolled.cells.mutations import mut1, mut2, mut3
from unrolled.cells.normalised import layer_norm_gru, layer_norm_lstm
from unrolled.cells.odyssey import cifg, fgr, nfg, niaf, nig, noaf, nog, np, vanilla
from unrolled.cells.rnn import rnn
from unrolled.equations import Cell

__all__ = [
    "cifg", "fgr", "find", "gru", "gru_v3", "ind_rnn", "irnn", "layer_norm_gru", "layer_norm_lstm", "lru", "lstm",
    "min_gru", "min_lstm", "mut1", "mut2", "mut3", "nfg", "niaf", "nig", "noaf", "nog", "np", "rg_lru", "rnn", "shelf",
    "slstm", "sru", "vanilla",
]  # fmt: skip


def shelf() -> dict[str, Cell]:
    """Every cell known by its name."""
    return {name: value for name in __all__ if isinstance(value := globals()[name], Cell)}


def find(text: str) -> Cell:
    """The cell that a text names: `lstm`, `rnn(bias="shared")`, `my.py:cell` or `my.py:cell(option=2)`.

    A file is executed, as importing it would.

    Raises:
        CellError: no such cell, file or option, or a text that is not of this form.
    """
    return _find(text, shelf())
