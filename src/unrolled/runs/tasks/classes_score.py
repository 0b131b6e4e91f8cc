"""How good a model is whose answers are classes, and what it says of examples. Reads them, changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from unrolled.data import Examples
from unrolled.models import evaluating
from unrolled.training import scores

_AT_ONCE = 64  # examples that are read side by side
_TOLD = 20  # classes

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class ClassScore:
    """How good a classifier is on so many examples, or a tagger on so many steps (`unit` says which).

    `nats`: the loss of each in the mean. `calibration_error`: how far confidence is from accuracy in the mean, 0 to 1.
    `confusion[truth][predicted]` counts, in the order of `classes`.
    """

    accuracy: float
    macro_f1: float
    calibration_error: float
    nats: float
    count: int
    unit: str
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    def rows(self) -> dict[str, str]:
        """The same for reading."""
        table = np.array(self.confusion)
        each = scores.f1_of_each(table)
        rows = {
            "accuracy": f"{self.accuracy:.4f}",
            "macro F1": f"{self.macro_f1:.4f}",
            "calibration error": f"{self.calibration_error:.4f}",
            f"nats per {self.unit}": f"{self.nats:.4f}",
            f"{self.unit}s": f"{self.count:,}",
        }
        for place, name in enumerate(self.classes[:_TOLD]):
            taken = [one for one in np.argsort(-table[place], kind="stable")[:3] if table[place, one]]
            told = ", ".join(f"{self.classes[one]} {table[place, one]:,}" for one in taken)
            rows[f"  {name}"] = f"{table[place].sum():,}, F1 {each[place]:.3f}" + (f"; taken for {told}" * bool(taken))
        return rows


@torch.no_grad()
def probabilities_of(
    model: nn.Module, examples: Examples, classes: int, should_stop: Callable[[], bool] = lambda: False
) -> Probabilities | None:
    """The probabilities of the classes for every target, `[targets in all, K]`; None if it was told to stop.

    The model gives logits `[B, K]` for examples of one target each, or `[U, B, K]`.
    """
    device = next(model.parameters()).device
    starts, ends = examples.targets.starts, examples.targets.ends
    found = np.zeros((len(examples.targets.values), classes))
    with evaluating(model):
        for rows in examples.in_order(_AT_ONCE):
            if should_stop():
                return None
            batch = examples.batch(rows).to(device)
            logits = model(batch.inputs, batch.lengths).double()
            said = F.softmax(logits.view(-1, len(rows), classes), dim=2).cpu().numpy()
            for place, row in enumerate(rows):
                found[starts[row] : ends[row]] = said[: ends[row] - starts[row], place]
    return found


def score_of(examples: Examples, probabilities: Probabilities, classes: tuple[str, ...], unit: str) -> ClassScore:
    """How good these probabilities `[N, K]` are of the examples' targets, N in all."""
    truth = examples.targets.values.astype(np.int64)
    table = scores.confusion(truth, probabilities.argmax(axis=1), len(classes))
    of_truth = np.maximum(probabilities[np.arange(len(truth)), truth], np.finfo(np.float64).tiny)
    nats = float(-np.log(of_truth).mean())
    return ClassScore(
        accuracy=scores.accuracy(table),
        macro_f1=scores.macro_f1(table),
        calibration_error=scores.calibration_error(probabilities, truth),
        nats=nats,
        count=len(truth),
        unit=unit,
        classes=classes,
        confusion=tuple(map(tuple, table.tolist())),
    )
