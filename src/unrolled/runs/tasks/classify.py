"""The kind "classify": a sequence in, its class out. Texts, or numbers measured at equal distances."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from unrolled.data import Examples, Labelled, Lexicon, Ragged, found, labelled
from unrolled.equations import Graph
from unrolled.errors import ConfigError, DataError
from unrolled.layers import Pooling
from unrolled.models import Classifier, ClassifierConfig, FrontConfig
from unrolled.runs.tasks.classify_look import look_at_classes
from unrolled.runs.tasks.classify_score import ClassScore, probabilities_of, score_of
from unrolled.runs.tasks.examples import (
    AboutExamples,
    ExamplesConfig,
    ExamplesKind,
    check_classes,
    numbers_of_classes,
    scale_of,
)
from unrolled.runs.tasks.kind import Asked, Gathered, Seen, ShouldStop
from unrolled.training import Evaluation, ExamplesTask

_SHOWN = 5  # examples whose class is told while it learns
_LETTERS = 70  # of a text that is shown
_LISTED = 8  # classes


class ClassifyConfig(ExamplesConfig):
    """Everything that makes a run on classified sequences what it is."""

    task: Literal["classify"] = Field(default="classify", description="what is learned")
    tokens: Literal["words", "characters"] = "words"
    vocab_size: int = Field(default=20_000, ge=2, le=1_000_000, description="of words")
    lower: bool = Field(default=True, description="capital letters are read as small ones")
    text_column: str | None = Field(default=None, description="of a table: its name, or number from 1")
    label_column: str | None = Field(default=None, description="of a table: its name, or number from 1")
    pooling: Pooling = Field(default="mean", description="what is read out of a sequence")
    bidirectional: bool = Field(default=True, description="read from the end, too")
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="in the loss: all the same, or the rarer the more"
    )
    token_dropout: float = Field(default=0.0, ge=0, lt=1, description="share of words read as unknown while training")
    noise: float = Field(
        default=0.0, ge=0, le=1e3, description="deviations of what is added to measured numbers while training"
    )
    hidden_size: int = Field(default=64, ge=1, le=1_000_000, description="units")
    embedding_size: int = Field(default=64, ge=1, le=1_000_000, description="of words and characters")
    learning_rate: float = Field(default=3e-3, gt=0, le=1e3)
    dropout: float = Field(default=0.5, ge=0, lt=1)


class AboutClassified(AboutExamples):
    """Classified sequences: their classes, and the vocabulary of texts, or the scale of channels."""

    classes: tuple[str, ...] = Field(min_length=2, max_length=100_000)
    lexicon: Lexicon | None = None
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()


@dataclass(frozen=True)
class PredictedClass:
    """What a classifier says of an example: its class, and the probability of each. `where`: file and line."""

    where: str
    label: str
    probabilities: dict[str, float]

    def line(self) -> str:
        """The same for reading."""
        return f"{self.label}\t{self.probabilities[self.label]:.3f}\t{self.where}"


class ClassifyKind(ExamplesKind[ClassifyConfig, AboutClassified]):
    """A recurrent stack reads the sequence, one vector of it says the class."""

    name = "classify"
    config = ClassifyConfig
    about_type = AboutClassified

    def learner(self, about: AboutClassified) -> str:
        """What learns, in words."""
        return f"a classifier of {len(about.classes)} classes"

    def gather(self, config: ClassifyConfig) -> Gathered[AboutClassified, Examples]:
        """Read all examples; the vocabulary and the scale come from those that are learned."""
        if not config.data:
            raise DataError("classes of what? Name a table, a folder with a folder for each class, a .ts or an .npz")
        with found(config.data) as places:
            every = labelled(places, config.text_column, config.label_column)
            name = ", ".join(place.name for place in places)
        classes = check_classes((one.label for one in every), name, f"{len(every):,} examples have the class")
        about = _about(config, name, classes, every)
        return self.stored(about, _examples(about, every))

    def described(self, about: AboutClassified) -> str:
        """Words or channels, and the classes."""
        what = f"{len(about.mean)} channels"
        if about.lexicon is not None:
            what = f"{len(about.lexicon):,} different {about.lexicon.unit}s"
        more = " ..." if len(about.classes) > _LISTED else ""
        return f"{what}, {len(about.classes)} classes ({', '.join(about.classes[:_LISTED])}{more})"

    def model(self, config: ClassifyConfig, about: AboutClassified, graph: Graph) -> Classifier:
        """A classifier of such sequences."""
        front = FrontConfig(
            vocab_size=0 if about.lexicon is None else len(about.lexicon),
            embedding_size=config.embedding_size,
            mean=about.mean,
            deviation=about.deviation,
            dropout=config.dropout,
            noise=config.noise,
            token_dropout=config.token_dropout,
        )
        sizes = ClassifierConfig(
            front=front,
            classes=len(about.classes),
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            pooling=config.pooling,
            dropout=config.dropout,
        )
        return Classifier(sizes, graph)

    def task(self, config: ClassifyConfig, about: AboutClassified, data: Examples, model: nn.Module) -> ExamplesTask:
        """All examples but those held out."""
        assert isinstance(model, Classifier)
        learned, held_out = self.parted(config, about, data)

        def measure(should_stop: ShouldStop) -> Evaluation | None:
            assert held_out is not None
            probabilities = probabilities_of(model, held_out, should_stop)
            if probabilities is None:
                return None
            score = score_of(held_out, probabilities, about.classes, about.unit)
            return Evaluation(score.nats, {"accuracy": score.accuracy, "macro F1": score.macro_f1}, "accuracy")

        return ExamplesTask(
            model,
            learned,
            held_out,
            config.batch_size,
            seed=config.seed,
            loss_of_guessing=math.log(len(about.classes)),
            measure=measure,
            weights=_weights(config, learned, len(about.classes)),
        )

    def show(
        self, config: ClassifyConfig, about: AboutClassified, task: object, step: int, should_stop: ShouldStop
    ) -> str | None:
        """What it says of a few examples, and what they are."""
        del config, step
        assert isinstance(task, ExamplesTask)
        assert isinstance(task.model, Classifier)
        few = task.shown.pick(range(min(_SHOWN, len(task.shown))))
        probabilities = probabilities_of(task.model, few, should_stop)
        if probabilities is None:
            return None
        lines = []
        for row, found_ in enumerate(probabilities):
            truth, said = about.classes[int(few.targets[row][0])], about.classes[int(found_.argmax())]
            mark = "  " if truth == said else "x "
            lines.append(f"{mark}{said} {found_.max():.2f}, is {truth}: {_written(about, few.inputs[row])}")
        return "\n".join(lines)

    def evaluate(
        self, config: ClassifyConfig, about: AboutClassified, model: nn.Module, places: Sequence[str]
    ) -> ClassScore:
        """How good it is on other examples."""
        assert isinstance(model, Classifier)
        with found(places) as sources:
            examples = _examples(about, labelled(sources, config.text_column, config.label_column))
        probabilities = probabilities_of(model, examples)
        assert probabilities is not None, "nobody says stop"
        return score_of(examples, probabilities, about.classes, about.unit)

    def predict(
        self, config: ClassifyConfig, about: AboutClassified, model: nn.Module, places: Sequence[str]
    ) -> Iterator[PredictedClass]:
        """The class of each example."""
        assert isinstance(model, Classifier)
        with found(places) as sources:
            every = labelled(sources, config.text_column, config.label_column, has_labels=False)
        inputs = Ragged.of(_numbers(about, one) for one in every)
        unknown = Ragged.of(np.zeros((len(every), 1), dtype=np.int32))
        probabilities = probabilities_of(model, Examples(inputs, unknown))
        assert probabilities is not None, "nobody says stop"
        for one, row in zip(every, probabilities, strict=True):
            by_class = dict(zip(about.classes, row.tolist(), strict=True))
            where = one.value if isinstance(one.value, str) else one.where
            yield PredictedClass(where, about.classes[int(row.argmax())], by_class)

    def look(
        self, config: ClassifyConfig, about: AboutClassified, data: Examples, model: nn.Module, asked: Asked
    ) -> Seen:
        """What is seen while it reads held-out examples, or those that the user names."""
        assert isinstance(model, Classifier)
        if asked.labels:
            raise ConfigError("labels of one's own are for text: what is looked for in a classifier are its classes")
        name, examples = f"{about.name}, held out", self.parted(config, about, data)[1]
        if asked.places:
            with found(asked.places) as sources:
                examples = _examples(about, labelled(sources, config.text_column, config.label_column))
                name = ", ".join(place.name for place in sources)
        if examples is None:
            raise ConfigError("nothing was held out that could be read: name examples, --text FILE")
        return look_at_classes(about.classes, about.lexicon, examples, model, name, asked)


def _about(config: ClassifyConfig, name: str, classes: tuple[str, ...], every: Sequence[Labelled]) -> AboutClassified:
    values = [every[row].value for row in config.rows(len(every))[0]]
    texts = [one for one in values if isinstance(one, str)]
    if texts:
        lexicon = Lexicon.of(texts, config.tokens, config.vocab_size, lower=config.lower)
        return AboutClassified(name=name, examples=len(every), classes=classes, lexicon=lexicon)
    mean, deviation = scale_of(one for one in values if not isinstance(one, str))
    return AboutClassified(name=name, examples=len(every), classes=classes, mean=mean, deviation=deviation)


def _examples(about: AboutClassified, every: Sequence[Labelled]) -> Examples:
    """The examples as numbers.

    Raises:
        DataError: a class that is not known, texts for channels, or another number of them.
    """
    inputs = Ragged.of(_numbers(about, one) for one in every)
    return Examples(inputs, Ragged.of(numbers_of_classes([one.label], about.classes, one.where) for one in every))


def _numbers(about: AboutClassified, one: Labelled) -> NDArray[np.int32] | NDArray[np.float32]:
    """The ids of a text, or the numbers of a series."""
    is_text = isinstance(one.value, str)
    if is_text != (about.lexicon is not None):
        learned = "texts" if about.lexicon is not None else "numbers"
        raise DataError(f"{one.where} is {'text' if is_text else 'numbers'}, and {learned} were learned")
    if isinstance(one.value, str):
        assert about.lexicon is not None
        ids = about.lexicon.encode(one.value).astype(np.int32)
        return ids if len(ids) else np.zeros(1, dtype=np.int32)  # (a text of spaces has no word)
    if one.value.shape[1] != len(about.mean):
        raise DataError(f"{one.where} has {one.value.shape[1]} channels, {len(about.mean)} were learned")
    return one.value.astype(np.float32)


def _weights(config: ClassifyConfig, learned: Examples, classes: int) -> Tensor | None:
    """Of each class, N / (K n_k)."""
    if config.class_weights == "none":
        return None
    counts = np.bincount(learned.targets.values, minlength=classes)
    return torch.from_numpy(len(learned) / (classes * np.maximum(counts, 1)))


def _written(about: AboutClassified, values: NDArray[np.int32]) -> str:
    """An example in a few words."""
    if about.lexicon is None:
        return f"{len(values)} steps"
    text = about.lexicon.join([about.lexicon.entries[one] for one in values])
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}..."
