"""From a sequence to one vector, in ONNX: the four ways of `layers.Pool`. Knows lengths, no layers."""

from __future__ import annotations

from unrolled.exporting.lengths import Lengths, real_or_lowest, steps_of, weights_over
from unrolled.exporting.modules import write_module
from unrolled.exporting.operations import part
from unrolled.exporting.sheet import TYPES, Sheet
from unrolled.layers import Pool


def pooled(sheet: Sheet, pool: Pool, sequence: str, lengths: Lengths, width: int) -> str:
    """The vectors `[B, width]` of a sequence `[T, B, width]` that is zero past each row's end."""
    if pool.pooling == "last":
        return _last(sheet, sequence, lengths, width, bidirectional=pool.bidirectional)
    if pool.pooling == "mean":
        return sheet.call("Div", _total(sheet, sequence), _column(sheet, _at_least_one(sheet, lengths)))
    if pool.pooling == "max":
        largest = sheet.call("ReduceMax", real_or_lowest(sheet, sequence, lengths), axes=[0], keepdims=0)
        return sheet.call("Where", lengths.begun, largest, sheet.number(0.0))
    return _attended(sheet, pool, sequence, lengths)


def _attended(sheet: Sheet, pool: Pool, sequence: str, lengths: Lengths) -> str:
    scores = write_module(pool.score, sheet, sheet.call("Tanh", write_module(pool.hidden, sheet, sequence)))
    return _total(sheet, sheet.call("Mul", weights_over(sheet, scores, lengths), sequence))


def _last(sheet: Sheet, sequence: str, lengths: Lengths, width: int, *, bidirectional: bool) -> str:
    """What stands at each row's last real step; of the direction that was read from the end, at the first one."""
    last = sheet.call("Sub", lengths.given, sheet.whole(1))
    is_last = sheet.call("Unsqueeze", sheet.call("Equal", steps_of(sheet, sequence), last), sheet.whole(2))
    ended = _total(sheet, sheet.call("Where", is_last, sequence, sheet.number(0.0)))
    if not bidirectional:
        return ended
    begun = sheet.call("Gather", sequence, sheet.call("Squeeze", sheet.whole(0)), axis=0)
    half = width // 2
    return sheet.call("Concat", part(sheet, ended, 0, half), part(sheet, begun, half, width), axis=-1)


def _total(sheet: Sheet, sequence: str) -> str:
    return sheet.call("ReduceSum", sequence, sheet.whole(0), keepdims=0)


def _at_least_one(sheet: Sheet, lengths: Lengths) -> str:
    lengths_or_one = sheet.call("Max", lengths.given, sheet.call("Squeeze", sheet.whole(1)))
    return sheet.call("Cast", lengths_or_one, to=TYPES["float32"])


def _column(sheet: Sheet, rows: str) -> str:
    return sheet.call("Unsqueeze", rows, sheet.whole(1))
