"""What "classify" and "tag" share: sequences of texts, numbers or frames, and answers that are classes. No layers."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import nn

from unrolled.data import (
    Examples,
    FrameShape,
    Labelled,
    Lexicon,
    Pieces,
    Place,
    Ragged,
    found,
    read_examples,
    stored_examples,
)
from unrolled.errors import DataError
from unrolled.models import FrontConfig, SequenceModel
from unrolled.runs.tasks.classes_look import look_at_classes
from unrolled.runs.tasks.classes_score import (
    ClassScore,
    Probabilities,
    probabilities_of,
    score_of,
)
from unrolled.runs.tasks.examples import ABOUT, AboutExamples, ExamplesConfig, ExamplesKind, scale_of
from unrolled.runs.tasks.kind import Asked, DataFile, Gathered, Prediction, Seen, ShouldStop, go_on

_EXAMPLES = "examples.safetensors"
_MOST_CLASSES = 1_000
_LISTED = 8  # classes that are named
_LISTED_IN_ERRORS = 20


class ClassesConfig(ExamplesConfig):
    """The options of both."""

    vocab_size: int = Field(default=20_000, ge=2, le=1_000_000, description="of words")
    lower: bool = Field(default=True, description="capital letters are read as small ones")
    token_dropout: float = Field(default=0.05, ge=0, lt=1, description="share of words read as unknown while training")
    noise: float = Field(
        default=0.0, ge=0, le=1e3, description="deviations of what is added to numbers and frames while training"
    )
    embedding_size: int = Field(default=64, ge=1, le=1_000_000, description="of words, characters and frames")
    learning_rate: float = Field(default=3e-3, gt=0, le=1e3)
    bidirectional: bool = Field(default=False, description="read from the end, too")

    @property
    def pieces(self) -> Pieces:
        """What texts are cut into."""
        raise NotImplementedError


class AboutClasses(AboutExamples):
    """The classes, how many answers there are in all, and the vocabulary of texts, or the scale of numbers.

    `frame`: channels, height and width of frames; None: numbers, or texts.
    """

    classes: tuple[str, ...] = Field(min_length=2, max_length=_MOST_CLASSES)
    answers: int = Field(ge=1)
    lexicon: Lexicon | None = None
    frame: tuple[int, int, int] | None = None
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _belong_together(self) -> AboutClasses:
        """Texts have a vocabulary, everything else a scale; classes differ."""
        is_scale = len(self.mean) == len(self.deviation) and all(map(math.isfinite, self.mean))
        is_scale = is_scale and all(0 < one < math.inf for one in self.deviation)
        if not is_scale or bool(self.mean) == (self.lexicon is not None):
            raise ValueError("texts have a vocabulary, numbers and frames a scale: one of both is wanted")
        if self.frame is not None and (len(self.mean) != self.frame[0] or min(self.frame) < 1):
            raise ValueError(f"frames of {self.frame} have no scale of {len(self.mean)} channels")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class stands twice")
        return self


Config = TypeVar("Config", bound=ClassesConfig)
AboutType = TypeVar("AboutType", bound=AboutClasses)


class ClassesKind(ExamplesKind[Config, AboutType, Examples], Generic[Config, AboutType]):
    """A kind of work whose model gives logits of classes: `[B, K]` for each sequence, or `[T, B, K]` for each step."""

    answer: ClassVar[str]  # what a class is called: "class", "label"
    files = (ABOUT, DataFile(_EXAMPLES, None))

    @abstractmethod
    def answers(self, length: int) -> int:
        """How many answers a sequence of that length has."""

    @abstractmethod
    def read(
        self, config: Config, places: Sequence[Place], frame: FrameShape | None = None, *, has_labels: bool
    ) -> list[Labelled]:
        """The sequences in these places. `frame`: of those that were learned, if frames were.

        Raises:
            DataError: there are none, or something else.
        """

    @abstractmethod
    def predicted(self, about: AboutType, one: Labelled, probabilities: Probabilities) -> Prediction:
        """What the model says of a sequence: the probabilities `[answers, K]`."""

    @abstractmethod
    def line(self, about: AboutType, ids: NDArray[Any], truth: NDArray[Any], probabilities: Probabilities) -> str:
        """The same in a line, beside the truth."""

    def gather(self, config: Config) -> Gathered[AboutType, Examples]:
        """Read all sequences; the vocabulary and the scale come from those that are learned."""
        self.check_named(config)
        with found(config.data) as places:
            every = self.read(config, places, has_labels=True)
            name = ", ".join(place.name for place in places)
        about = self._about(config, name, every)
        return self.gathered(about, _examples(about, every))

    def _about(self, config: Config, name: str, every: Sequence[Labelled]) -> AboutType:
        answers = sum(len(one.labels) for one in every)
        classes = tuple(sorted({label for one in every for label in one.labels}))
        if len(classes) < 2:
            raise DataError(
                f"{name}: all {answers:,} have the {self.answer} {classes[0]!r}: there is nothing to learn. Give"
                " examples of two or more"
            )
        if len(classes) > _MOST_CLASSES:
            raise DataError(
                f"{name}: there are {len(classes):,} different {self.answer} names, at most {_MOST_CLASSES:,} can be"
                " learned: is it the right column?"
            )
        facts: dict[str, Any] = {"name": name, "examples": len(every), "classes": classes, "answers": answers}
        values = [every[row].value for row in config.rows(len(every))[0]]
        texts = [one for one in values if isinstance(one, str)]
        if texts:
            facts["lexicon"] = Lexicon.of(texts, config.pieces, config.vocab_size, lower=config.lower)
        elif values:
            numbers = [one for one in values if not isinstance(one, str)]
            facts["mean"], facts["deviation"] = scale_of(numbers)
            facts["frame"] = numbers[0].shape[1:] if numbers[0].ndim > 2 else None
        else:
            raise DataError(f"{name} has {len(every)} examples: none is left with --val-frac {config.val_frac:g}")
        return self.about_type(**facts)

    def stored(self, data: Examples) -> bytes:
        """All numbers, in safetensors."""
        return stored_examples(data)

    def data(self, folder: Path, about: AboutType) -> Examples:
        """The examples, if they are what a model of them can read."""
        examples = read_examples(folder / _EXAMPLES)
        if len(examples) != about.examples:
            raise DataError(f"{folder / _EXAMPLES} has {len(examples)} examples, {about.examples} were stored")
        values, targets = examples.inputs.values, examples.targets
        known = len(about.classes)
        fits = values.shape[1:] == (about.frame or (len(about.mean),)) and values.dtype in (np.float32, np.uint8)
        if about.lexicon is not None:
            fits = values.ndim == 1 and values.dtype == np.int32
            fits = fits and bool(((values >= 0) & (values < len(about.lexicon))).all())
        fits = fits and targets.values.dtype == np.int32 and targets.values.ndim == 1
        fits = fits and bool(((targets.values >= 0) & (targets.values < known)).all())
        answers = [self.answers(length) for length in examples.inputs.lengths.tolist()]
        fits = fits and targets.lengths.tolist() == answers and sum(answers) == about.answers
        if not fits or examples.inputs.lengths.min() < 1:
            raise DataError(f"the examples in {folder} are not those that its data.json tells of")
        return examples

    def described(self, about: AboutType) -> str:
        """Words, channels or frames, and the classes."""
        if about.lexicon is not None:
            what = f"{len(about.lexicon):,} different {about.lexicon.unit}s"
        elif about.frame is not None:
            what = "frames of {} x {} x {}".format(*about.frame)
        else:
            what = f"{len(about.mean)} channels"
        more = " ..." if len(about.classes) > _LISTED else ""
        plural = "classes" if self.answer == "class" else f"{self.answer}s"
        return f"{what}, {len(about.classes)} {plural} ({', '.join(about.classes[:_LISTED])}{more})"

    def sizes(self, config: Config, about: AboutType, **of_front: Any) -> dict[str, Any]:
        """Those of a model of such sequences, without what is the kind's own: a `SequenceConfig`'s."""
        front = FrontConfig(
            vocab_size=0 if about.lexicon is None else len(about.lexicon),
            embedding_size=config.embedding_size,
            frame=about.frame,
            mean=about.mean,
            deviation=about.deviation,
            dropout=config.dropout,
            token_dropout=config.token_dropout,
            noise=config.noise,
            **of_front,
        )
        return {
            "front": front,
            "classes": len(about.classes),
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            "bidirectional": config.bidirectional,
            "dropout": config.dropout,
        }

    def guessing(self, about: AboutType) -> float:
        """Any class."""
        return math.log(len(about.classes))

    def chosen_by(self, config: Config) -> str:
        """How many answers are right."""
        del config
        return "accuracy"

    def lines(
        self, config: Config, about: AboutType, model: nn.Module, examples: Examples, should_stop: ShouldStop
    ) -> list[str] | None:
        """What it says of each example, and what that is."""
        del config
        probabilities = probabilities_of(model, examples, should_stop)
        if probabilities is None:
            return None
        of_each = Ragged(probabilities, examples.targets.ends)
        rows = range(len(examples))
        return [self.line(about, examples.inputs[row], examples.targets[row], of_each[row]) for row in rows]

    def others(self, config: Config, about: AboutType, places: Sequence[str]) -> tuple[str, Examples]:
        """The sequences in these places."""
        with found(places) as sources:
            every = self.read(config, sources, about.frame, has_labels=True)
            return ", ".join(place.name for place in sources), _examples(about, every)

    def score(
        self,
        config: Config,
        about: AboutType,
        model: nn.Module,
        examples: Examples,
        should_stop: ShouldStop = go_on,
    ) -> ClassScore | None:
        """How many answers are right, and more."""
        del config
        probabilities = probabilities_of(model, examples, should_stop)
        return None if probabilities is None else score_of(examples, probabilities, about.classes, about.unit)

    def predict(
        self, config: Config, about: AboutType, model: nn.Module, places: Sequence[str]
    ) -> Iterator[Prediction]:
        """What it says of each example."""
        with found(places) as sources:
            every = self.read(config, sources, about.frame, has_labels=False)
        inputs = Ragged.of(_numbers(about, one) for one in every)
        answers = [self.answers(length) for length in inputs.lengths.tolist()]
        unknown = Ragged(np.zeros(sum(answers), dtype=np.int32), np.cumsum(answers))
        probabilities = probabilities_of(model, Examples(inputs, unknown))
        assert probabilities is not None, "nobody says stop"
        of_each = Ragged(probabilities, unknown.ends)
        for row, one in enumerate(every):
            yield self.predicted(about, one, of_each[row])

    def legend(self, about: AboutType) -> Mapping[str, Any]:
        """The classes, and the vocabulary of texts."""
        classes = {"classes": about.classes}
        return classes if about.lexicon is None else {**classes, "vocabulary": about.lexicon.model_dump()}

    def seen(
        self, config: Config, about: AboutType, model: nn.Module, name: str, examples: Examples, asked: Asked
    ) -> Seen:
        """Units that tell the classes, gates, gradients, and single examples."""
        del config
        assert isinstance(model, SequenceModel)
        return look_at_classes(about.classes, about.lexicon, examples, model, name, self.answer, asked)


def _examples(about: AboutClasses, every: Sequence[Labelled]) -> Examples:
    """The sequences as numbers.

    Raises:
        DataError: a class that is not known, texts for numbers, or steps of another shape.
    """
    inputs = Ragged.of(_numbers(about, one) for one in every)
    places = {name: place for place, name in enumerate(about.classes)}
    for one in every:
        for label in one.labels:
            if label not in places:
                listed = ", ".join(about.classes[:_LISTED_IN_ERRORS])
                raise DataError(f"{one.where}: the class {label!r} was not among those learned: {listed}")
    return Examples(inputs, Ragged.of(np.array([places[label] for label in one.labels], np.int32) for one in every))


def _numbers(about: AboutClasses, one: Labelled) -> NDArray[Any]:
    """The ids of a text, or the numbers of a series, or of frames."""
    is_text = isinstance(one.value, str)
    if is_text != (about.lexicon is not None):
        given, learned = ("text", "numbers") if is_text else ("numbers", "texts")
        raise DataError(f"{one.where} is {given}, and {learned} were learned")
    if isinstance(one.value, str):
        assert about.lexicon is not None
        ids = about.lexicon.encode(one.value).astype(np.int32)
        return ids if len(ids) else np.zeros(1, dtype=np.int32)  # (a text of spaces has no word)
    wanted = about.frame or (len(about.mean),)
    if one.value.shape[1:] != wanted:
        raise DataError(f"{one.where}: a step is {one.value.shape[1:]}, {wanted} were learned")
    return one.value
