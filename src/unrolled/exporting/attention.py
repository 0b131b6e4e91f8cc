"""Attention in ONNX, for one query of each row: the scores of `layers.Attention`. Knows lengths, no words."""

from __future__ import annotations

import torch

from unrolled.exporting.lengths import Lengths
from unrolled.exporting.modules import write
from unrolled.exporting.sheet import Sheet
from unrolled.layers import Attention

_LOWEST = torch.finfo(torch.float32).min


def attended(sheet: Sheet, attention: Attention, query: str, memory: str, lengths: Lengths) -> tuple[str, str]:
    """The mean `[B, D]` of a memory `[S, B, D]` for queries `[B, Q]`, and the weights `[B, S]`."""
    scores = _scores(sheet, attention, query, memory)
    weights = sheet.call("Softmax", sheet.call("Where", lengths.real, scores, sheet.number(_LOWEST)), axis=0)
    weights = sheet.call("Where", lengths.real, weights, sheet.number(0.0))
    mean = sheet.call("ReduceSum", sheet.call("Mul", weights, memory), sheet.whole(0), keepdims=0)
    by_row = sheet.call("Transpose", sheet.call("Squeeze", weights, sheet.whole(2)), perm=[1, 0])
    return mean, by_row


def _scores(sheet: Sheet, attention: Attention, query: str, memory: str) -> str:
    """The scores `[S, B, 1]`."""
    if attention.scoring == "additive":
        both = sheet.call("Add", write(attention.memory, sheet, memory), write(attention.query, sheet, query))
        return write(attention.score, sheet, sheet.call("Tanh", both))
    asked = write(attention.query, sheet, query) if attention.scoring == "general" else query
    return sheet.call("ReduceSum", sheet.call("Mul", asked, memory), sheet.whole(-1), keepdims=1)
