"""The kind "classify": a sequence in, its class out. Texts, or numbers measured at equal distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from unrolled.data import Examples, FrameShape, Labelled, Pieces, Place, labelled
from unrolled.equations import Graph
from unrolled.layers import Pooling
from unrolled.models import Classifier, ClassifierConfig
from unrolled.runs.tasks.classes import AboutClasses, ClassesConfig, ClassesKind
from unrolled.runs.tasks.classes_score import Probabilities

_LETTERS = 70  # of a text that is shown


class ClassifyConfig(ClassesConfig):
    """Everything that makes a run on classified sequences what it is."""

    task: Literal["classify"] = Field(default="classify", description="what is learned")
    tokens: Literal["words", "characters"] = "words"
    text_column: str | None = Field(default=None, description="of a table: its name, or number from 1")
    label_column: str | None = Field(default=None, description="of a table: its name, or number from 1")
    pooling: Pooling = Field(default="mean", description="what is read out of a sequence")
    bidirectional: bool = Field(default=True, description="read from the end, too")
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="in the loss: all the same, or the rarer the more"
    )
    hidden_size: int = Field(default=64, ge=1, le=1_000_000, description="units")
    dropout: float = Field(default=0.5, ge=0, lt=1)

    @property
    def pieces(self) -> Pieces:
        """What texts are cut into."""
        return self.tokens


@dataclass(frozen=True)
class PredictedClass:
    """What a classifier says of an example: its class, and the probability of each.

    `where`: file and line; of a text, the text itself.
    """

    where: str
    label: str
    probabilities: dict[str, float]

    def line(self) -> str:
        """The same for reading."""
        return f"{self.label}\t{self.probabilities[self.label]:.3f}\t{' '.join(self.where.split())}"


class ClassifyKind(ClassesKind[ClassifyConfig, AboutClasses]):
    """A recurrent stack reads the sequence, one vector of it says the class."""

    name = "classify"
    config = ClassifyConfig
    about_type = AboutClasses
    subject = "classes"
    reads = "a table, a folder with a folder for each class, a .ts or an .npz"
    answer = "class"
    shown = 5

    def learner(self, about: AboutClasses) -> str:
        """What learns, in words."""
        return f"a classifier of {len(about.classes)} classes"

    def answers(self, length: int) -> int:
        """One, however long it is."""
        del length
        return 1

    def read(
        self, config: ClassifyConfig, places: Sequence[Place], frame: FrameShape | None = None, *, has_labels: bool
    ) -> list[Labelled]:
        """Tables, folders, time series and arrays."""
        del frame
        return labelled(places, config.text_column, config.label_column, has_labels=has_labels)

    def model(self, config: ClassifyConfig, about: AboutClasses, graph: Graph) -> Classifier:
        """A classifier of such sequences."""
        return Classifier(ClassifierConfig(**self.sizes(config, about), pooling=config.pooling), graph)

    def weights(self, config: ClassifyConfig, about: AboutClasses, learned: Examples) -> Tensor | None:
        """Balanced: of each class, N / (K n_k)."""
        if config.class_weights == "none":
            return None
        classes = len(about.classes)
        counts = np.bincount(learned.targets.values, minlength=classes)
        return torch.from_numpy(len(learned) / (classes * np.maximum(counts, 1)))

    def line(self, about: AboutClasses, ids: NDArray[Any], truth: NDArray[Any], probabilities: Probabilities) -> str:
        """Its class, and the first words."""
        is_class, said = about.classes[int(truth[0])], about.classes[int(probabilities[0].argmax())]
        text = f"{len(ids)} steps"
        if about.lexicon is not None:
            text = about.lexicon.join([about.lexicon.entries[one] for one in ids])
        text = text if len(text) <= _LETTERS else f"{text[:_LETTERS]}..."
        return f"{'  ' if said == is_class else 'x '}{said} {probabilities[0].max():.2f}, is {is_class}: {text}"

    def predicted(self, about: AboutClasses, one: Labelled, probabilities: Probabilities) -> PredictedClass:
        """Its class, and the probability of each."""
        by_class = dict(zip(about.classes, probabilities[0].tolist(), strict=True))
        where = one.value if isinstance(one.value, str) else one.where
        return PredictedClass(where, about.classes[int(probabilities[0].argmax())], by_class)
