"""How good a model is whose answers are classes, and what it says of examples. Reads them, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data import Batch, Examples
from unrolled.errors import RunError
from unrolled.rounding import rounded
from unrolled.runs.tasks.batches import read_all
from unrolled.runs.tasks.kind import ShouldStop, go_on
from unrolled.training import scores

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

    @property
    def by_name(self) -> dict[str, float]:
        """The scores of which the higher is the better."""
        return {"accuracy": self.accuracy, "macro F1": self.macro_f1}

    def rows(self) -> dict[str, str]:
        """The same for reading."""
        table = np.array(self.confusion)
        each = scores.f1_of_each(table)
        rows = {
            "accuracy": rounded(self.accuracy),
            "macro F1": rounded(self.macro_f1),
            "calibration error": rounded(self.calibration_error),
            f"nats per {self.unit}": rounded(self.nats),
            f"{self.unit}s": f"{self.count:,}",
        }
        for place, name in enumerate(self.classes[:_TOLD]):
            taken = [one for one in np.argsort(-table[place], kind="stable")[:3] if table[place, one]]
            told = ", ".join(f"{self.classes[one]} {table[place, one]:,}" for one in taken)
            rows[f"  {name}"] = f"{table[place].sum():,}, F1 {each[place]:.3f}" + (f"; taken for {told}" * bool(taken))
        return rows


def probabilities_of(model: nn.Module, examples: Examples, should_stop: ShouldStop = go_on) -> Probabilities | None:
    """The probabilities of the classes for every target, `[targets in all, K]`; None if it was told to stop.

    The model gives logits `[B, K]` for examples of one target each, or `[U, B, K]`.

    Raises:
        RunError: they are no finite numbers.
    """

    def read(batch: Batch) -> Tensor:
        return F.softmax(model(batch.inputs, batch.lengths).double(), dim=-1)

    found = read_all(model, examples, read, examples.targets.ends, should_stop)
    if found is None:
        return None
    check_finite("answers", found.values)
    return found.values


def check_finite(what: str, numbers: NDArray[np.float64]) -> None:
    """Check that there is something to be seen in what came of examples, `[N, ...]`.

    Raises:
        RunError: some are no finite numbers.
    """
    bad = int((~np.isfinite(numbers)).any(axis=1).sum())
    if bad:
        raise RunError(
            f"the run's model has {what} that are no finite numbers at {bad:,} of {len(numbers):,} places: its weights,"
            " or the states that they lead to, are not usable"
        )


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
