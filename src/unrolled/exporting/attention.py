"""Attention in ONNX, for one query of each row: the scores of `layers.Attention`. Knows lengths, no words."""

from __future__ import annotations

from unrolled.exporting.lengths import Lengths, weights_over
from unrolled.exporting.modules import write_module
from unrolled.exporting.sheet import Sheet
from unrolled.layers import Attention


def attended(sheet: Sheet, attention: Attention, query: str, memory: str, lengths: Lengths) -> tuple[str, str]:
    """The mean `[B, D]` of a memory `[S, B, D]` for queries `[B, Q]`, and the weights `[B, S]`."""
    memory = sheet.call("Where", lengths.real, memory, sheet.number(0.0))  # (behind the ends can be anything)
    weights = weights_over(sheet, _scores(sheet, attention, query, memory), lengths)
    mean = sheet.call("ReduceSum", sheet.call("Mul", weights, memory), sheet.whole(0), keepdims=0)
    by_row = sheet.call("Transpose", sheet.call("Squeeze", weights, sheet.whole(2)), perm=[1, 0])
    return mean, by_row


def _scores(sheet: Sheet, attention: Attention, query: str, memory: str) -> str:
    """The scores `[S, B, 1]`."""
    if attention.scoring == "additive":
        remembered, asked = write_module(attention.memory, sheet, memory), write_module(attention.query, sheet, query)
        both = sheet.call("Add", remembered, asked)
        return write_module(attention.score, sheet, sheet.call("Tanh", both))
    asked = write_module(attention.query, sheet, query) if attention.scoring == "general" else query
    return sheet.call("ReduceSum", sheet.call("Mul", asked, memory), sheet.whole(-1), keepdims=1)
