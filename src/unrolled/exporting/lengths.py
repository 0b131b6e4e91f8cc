"""Which steps of a batch are real, as ONNX needs it in several forms, and weights over these. Knows no layers."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from unrolled.exporting.sheet import TYPES, Sheet

_LOWEST = torch.finfo(torch.float32).min


@dataclass(frozen=True)
class Lengths:
    """The names of what lengths say.

    given: `[B]`, whole numbers. short: the same, of 32 bits. real: `[T, B, 1]`, whether a step is real. begun:
    `[B, 1]`, whether a row has any. rows: a vector of one number, that of the rows.
    """

    given: str
    short: str
    real: str
    begun: str
    rows: str


def lengths_of(sheet: Sheet, inputs: str, lengths: str) -> Lengths:
    """What the lengths `[B]` of inputs `[T, B, ...]` say."""
    real = sheet.call("Less", steps_of(sheet, inputs), lengths)
    return Lengths(
        lengths,
        sheet.call("Cast", lengths, to=TYPES["int32"]),
        sheet.call("Unsqueeze", real, sheet.whole(2), name="real"),
        sheet.call("Greater", sheet.call("Unsqueeze", lengths, sheet.whole(1)), sheet.whole(0), name="begun"),
        sheet.call("Shape", lengths),
    )


def steps_of(sheet: Sheet, sequence: str) -> str:
    """The numbers of the steps of a sequence `[T, ...]`, from 0: `[T, 1]`."""
    count = sheet.call("Squeeze", sheet.call("Shape", sequence, start=0, end=1))
    first, apart = (sheet.call("Squeeze", sheet.whole(number)) for number in (0, 1))
    return sheet.call("Unsqueeze", sheet.call("Range", first, count, apart), sheet.whole(1))


def real_or_lowest(sheet: Sheet, sequence: str, lengths: Lengths) -> str:
    """A sequence `[T, B, width]`, with the lowest number there is past each row's end."""
    return sheet.call("Where", lengths.real, sequence, sheet.number(_LOWEST))


def weights_over(sheet: Sheet, scores: str, lengths: Lengths) -> str:
    """The softmax of scores `[T, B, 1]` over the real steps, zero past each row's end."""
    weights = sheet.call("Softmax", real_or_lowest(sheet, scores, lengths), axis=0)
    return sheet.call("Where", lengths.real, weights, sheet.number(0.0))
