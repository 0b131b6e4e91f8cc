"""What a glimpser says of images, and how good that is. Reads no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data import PADDING, Batch, Examples, Ragged
from unrolled.models import Beholder
from unrolled.rounding import rounded
from unrolled.runs.tasks.batches import read_all
from unrolled.runs.tasks.classes_score import check_finite
from unrolled.runs.tasks.kind import ShouldStop, go_on

Answers = NDArray[np.float64]  # probabilities of the symbols, [N, S, V]


@dataclass(frozen=True)
class GlimpseScore:
    """How good a glimpser is on so many images.

    accuracy: the share of images of which all was right: each object in its place, and their end. symbols: the share of
    objects and ends that were right. nats: of each of these in the mean.
    """

    accuracy: float
    symbols: float
    nats: float
    count: int
    unit: str

    @property
    def by_name(self) -> dict[str, float]:
        """The scores of which the higher is the better."""
        return {"accuracy": self.accuracy}

    def rows(self) -> dict[str, str]:
        """The same for reading."""
        of_symbols = {"of objects and ends": rounded(self.symbols)} if self.unit == "object" else {}
        return {
            "accuracy": rounded(self.accuracy),
            **of_symbols,
            f"nats per {self.unit}": rounded(self.nats),
            "images": f"{self.count:,}",
        }


def answers_of(model: Beholder, examples: Examples, runs: int, should_stop: ShouldStop = go_on) -> Answers | None:
    """The probabilities of the symbols for each object of every image; None if it was told to stop.

    `runs`: in how many ways each image is looked at; the probabilities are the mean of theirs.

    Raises:
        RunError: they are no finite numbers.
    """

    def read(batch: Batch) -> Tensor:
        return model.answers(batch.inputs[0], runs).double().softmax(dim=-1)

    ends = np.arange(1, len(examples) + 1) * model.config.said
    found = read_all(model, examples, read, ends, should_stop)
    if found is None:
        return None
    check_finite("answers", found.values)
    return found.values.reshape(len(examples), model.config.said, -1)


def wanted_of(model: Beholder, examples: Examples) -> NDArray[np.int64]:
    """The symbols that are right, `[N, S]`, below 0 where nothing is asked."""
    targets = torch.from_numpy(examples.targets.padded(np.arange(len(examples)), PADDING)).long()
    found: NDArray[np.int64] = model.wanted(targets).T.numpy()
    return found


def score_of(model: Beholder, examples: Examples, answers: Answers, unit: str) -> GlimpseScore:
    """How good these answers are."""
    wanted = wanted_of(model, examples)
    real = wanted >= 0
    is_right = answers.argmax(axis=2) == wanted
    chances = np.take_along_axis(answers, np.maximum(wanted, 0)[..., None], axis=2)[..., 0][real]
    return GlimpseScore(
        accuracy=float((is_right | ~real).all(axis=1).mean()),
        symbols=float(is_right[real].mean()),
        nats=float(-np.log(np.maximum(chances, np.finfo(np.float64).tiny)).mean()),
        count=len(wanted),
        unit=unit,
    )


def said_of(classes: Sequence[str], answers: NDArray[np.float64]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """What is said by probabilities `[S, V]`: the symbols before the first end; how likely each was, the end too."""
    said = answers.argmax(axis=1).tolist()
    end = said.index(len(classes)) if len(classes) in said else len(said)
    return tuple(classes[symbol] for symbol in said[:end]), tuple(answers.max(axis=1)[: end + 1].tolist())


def said_targets(classes: Sequence[str], answers: Answers) -> Ragged:
    """The symbols that are said of each image by these answers, as numbers."""
    places = {name: place for place, name in enumerate(classes)}
    said = (said_of(classes, of_one)[0] for of_one in answers)
    return Ragged.of(np.array([places[one] for one in symbols], dtype=np.int32) for symbols in said)
