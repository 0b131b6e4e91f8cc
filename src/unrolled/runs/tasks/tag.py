"""The kind "tag": a label for every step of a sequence. Words, measured numbers, or the frames of a video."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from unrolled.data import Examples, Lexicon, Ragged, Tagged, found, tagged
from unrolled.equations import Graph
from unrolled.errors import ConfigError, DataError
from unrolled.layers import Blocks
from unrolled.models import FrontConfig, Tagger, TaggerConfig, evaluating
from unrolled.runs.tasks.classify_look import look_at_classes
from unrolled.runs.tasks.classify_score import ClassScore, Probabilities, score_of
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

_SHOWN = 3  # sequences whose labels are told while it learns
_STEPS = 12  # of each
_LISTED = 8  # classes
_AT_ONCE = 64  # sequences that are measured side by side


class TagConfig(ExamplesConfig):
    """Everything that makes a run on tagged sequences what it is."""

    task: Literal["tag"] = Field(default="tag", description="what is learned")
    vocab_size: int = Field(default=20_000, ge=2, le=1_000_000, description="of words")
    lower: bool = Field(default=False, description="capital letters are read as small ones")
    bidirectional: bool = Field(default=False, description="read from the end, too")
    blocks: Blocks = Field(default="residual", description="of the convolutional network that reads frames")
    token_dropout: float = Field(default=0.05, ge=0, lt=1, description="share of words read as unknown while training")
    noise: float = Field(
        default=0.0, ge=0, le=1e3, description="deviations of what is added to measured numbers while training"
    )
    batch_size: int = Field(default=32, ge=1, description="streams of text, or examples, read side by side")
    hidden_size: int = Field(default=128, ge=1, le=1_000_000, description="units")
    embedding_size: int = Field(default=64, ge=1, le=1_000_000, description="of words, and of frames")
    learning_rate: float = Field(default=3e-3, gt=0, le=1e3)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class AboutTagged(AboutExamples):
    """Tagged sequences: their labels, and the vocabulary of words, or the scale of channels; `frame`: of a video."""

    classes: tuple[str, ...] = Field(min_length=2, max_length=100_000)
    steps: int = Field(ge=1)
    lexicon: Lexicon | None = None
    frame: tuple[int, int, int] | None = None
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return "step" if self.frame is None else "frame"


@dataclass(frozen=True)
class PredictedTags:
    """What a tagger says of a sequence: a label for each step, and how likely it is. `where`: file and line."""

    where: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    def line(self) -> str:
        """The same for reading."""
        return f"{' '.join(self.labels)}\t{self.where}"


class TagKind(ExamplesKind[TagConfig, AboutTagged]):
    """A recurrent stack reads the sequence, and says a label after each step."""

    name = "tag"
    config = TagConfig
    about_type = AboutTagged

    def learner(self, about: AboutTagged) -> str:
        """What learns, in words."""
        return f"a tagger of {len(about.classes)} labels"

    def gather(self, config: TagConfig) -> Gathered[AboutTagged, Examples]:
        """Read all sequences; the vocabulary and the scale come from those that are learned."""
        if not config.data:
            raise DataError("labels of what? Name a file of words and labels, or an .npz of numbers or frames")
        with found(config.data) as places:
            every = tagged(places)
            name = ", ".join(place.name for place in places)
        steps = sum(len(one.labels) for one in every)
        classes = check_classes(
            (label for one in every for label in one.labels), name, f"{steps:,} steps have the label"
        )
        about = _about(config, name, classes, every)
        return self.stored(about, _examples(about, every))

    def described(self, about: AboutTagged) -> str:
        """Words, channels or frames, and the labels."""
        more = " ..." if len(about.classes) > _LISTED else ""
        labels = f"{len(about.classes)} labels ({', '.join(about.classes[:_LISTED])}{more})"
        if about.lexicon is not None:
            what = f"{len(about.lexicon):,} different words"
        elif about.frame is not None:
            what = "frames of {} x {} x {}".format(*about.frame)
        else:
            what = f"{len(about.mean)} channels"
        return f"{about.steps:,} steps, {what}, {labels}"

    def model(self, config: TagConfig, about: AboutTagged, graph: Graph) -> Tagger:
        """A tagger of such sequences."""
        front = FrontConfig(
            vocab_size=0 if about.lexicon is None else len(about.lexicon),
            embedding_size=config.embedding_size,
            frame=about.frame,
            blocks=config.blocks,
            mean=about.mean,
            deviation=about.deviation,
            dropout=config.dropout,
            token_dropout=config.token_dropout,
            noise=config.noise,
        )
        sizes = TaggerConfig(
            front=front,
            classes=len(about.classes),
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
        )
        return Tagger(sizes, graph)

    def task(self, config: TagConfig, about: AboutTagged, data: Examples, model: nn.Module) -> ExamplesTask:
        """All sequences but those held out."""
        assert isinstance(model, Tagger)
        learned, held_out = self.parted(config, about, data)

        def measure(should_stop: ShouldStop) -> Evaluation | None:
            assert held_out is not None
            probabilities = _probabilities(model, held_out, should_stop)
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
        )

    def show(
        self, config: TagConfig, about: AboutTagged, task: object, step: int, should_stop: ShouldStop
    ) -> str | None:
        """What it says of a few sequences, and what they are."""
        del config, step
        assert isinstance(task, ExamplesTask)
        assert isinstance(task.model, Tagger)
        few = task.shown.pick(range(min(_SHOWN, len(task.shown))))
        probabilities = _probabilities(task.model, few, should_stop)
        if probabilities is None:
            return None
        said = Ragged(probabilities.argmax(axis=1), few.targets.ends)
        return "\n".join(_told(about.classes, said[row], few.targets[row]) for row in range(len(few)))

    def evaluate(self, config: TagConfig, about: AboutTagged, model: nn.Module, places: Sequence[str]) -> ClassScore:
        """How good it is on other sequences."""
        del config
        assert isinstance(model, Tagger)
        with found(places) as sources:
            examples = _examples(about, tagged(sources))
        probabilities = _probabilities(model, examples)
        assert probabilities is not None, "nobody says stop"
        return score_of(examples, probabilities, about.classes, about.unit)

    def predict(
        self, config: TagConfig, about: AboutTagged, model: nn.Module, places: Sequence[str]
    ) -> Iterator[PredictedTags]:
        """The labels of each sequence."""
        del config
        assert isinstance(model, Tagger)
        with found(places) as sources:
            every = tagged(sources, has_labels=False)
        inputs = Ragged.of(_numbers(about, one) for one in every)
        unknown = Ragged(np.zeros(len(inputs.values), dtype=np.int32), inputs.ends)
        probabilities = _probabilities(model, Examples(inputs, unknown))
        assert probabilities is not None, "nobody says stop"
        of_each = Ragged(probabilities, inputs.ends)
        for row, one in enumerate(every):
            labels = tuple(about.classes[place] for place in of_each[row].argmax(axis=1))
            where = " ".join(one.value) if isinstance(one.value, tuple) else one.where
            yield PredictedTags(where, labels, tuple(of_each[row].max(axis=1).tolist()))

    def look(self, config: TagConfig, about: AboutTagged, data: Examples, model: nn.Module, asked: Asked) -> Seen:
        """What is seen while it reads held-out sequences, or those that the user names."""
        assert isinstance(model, Tagger)
        if asked.labels:
            raise ConfigError("labels of one's own are for text: what is looked for in a tagger are its labels")
        name, examples = f"{about.name}, held out", self.parted(config, about, data)[1]
        if asked.places:
            with found(asked.places) as sources:
                examples = _examples(about, tagged(sources))
                name = ", ".join(place.name for place in sources)
        if examples is None:
            raise ConfigError("nothing was held out that could be read: name sequences, --text FILE")
        return look_at_classes(about.classes, about.lexicon, examples, model, name, asked)


def _about(config: TagConfig, name: str, classes: tuple[str, ...], every: Sequence[Tagged]) -> AboutTagged:
    values = [every[row].value for row in config.rows(len(every))[0]]
    steps = sum(len(one.labels) for one in every)
    texts = [one for one in values if isinstance(one, tuple)]
    if texts:
        sentences = ("\n".join(one) for one in texts)
        lexicon = Lexicon.of(sentences, "lines", config.vocab_size, lower=config.lower)
        return AboutTagged(name=name, examples=len(every), classes=classes, steps=steps, lexicon=lexicon)
    numbers = [one for one in values if not isinstance(one, tuple)]
    mean, deviation = scale_of(numbers)
    return AboutTagged(
        name=name,
        examples=len(every),
        classes=classes,
        steps=steps,
        frame=numbers[0].shape[1:] if numbers[0].ndim > 2 else None,
        mean=mean,
        deviation=deviation,
    )


def _examples(about: AboutTagged, every: Sequence[Tagged]) -> Examples:
    """The sequences as numbers.

    Raises:
        DataError: a label that is not known, words for channels, or steps of another shape.
    """
    inputs = Ragged.of(_numbers(about, one) for one in every)
    return Examples(inputs, Ragged.of(numbers_of_classes(one.labels, about.classes, one.where) for one in every))


def _numbers(about: AboutTagged, one: Tagged) -> NDArray[Any]:
    """The ids of words, or the numbers of a series, or of frames."""
    if isinstance(one.value, tuple) != (about.lexicon is not None):
        given, learned = ("words", "numbers") if isinstance(one.value, tuple) else ("numbers", "words")
        raise DataError(f"{one.where} is {given}, and {learned} were learned")
    if isinstance(one.value, tuple):
        assert about.lexicon is not None
        return about.lexicon.encode("\n".join(one.value)).astype(np.int32)
    wanted = about.frame or (len(about.mean),)
    if one.value.shape[1:] != wanted:
        raise DataError(f"{one.where}: a step is {one.value.shape[1:]}, {wanted} were learned")
    return one.value


@torch.no_grad()
def _probabilities(model: Tagger, examples: Examples, should_stop: ShouldStop = lambda: False) -> Probabilities | None:
    """The probabilities of the labels at every step, `[sum of the lengths, K]`; None if it was told to stop."""
    device = next(model.parameters()).device
    found_ = np.zeros((len(examples.inputs.values), model.config.classes))
    starts, ends = examples.inputs.starts, examples.inputs.ends
    with evaluating(model):
        for rows in examples.in_order(_AT_ONCE):
            if should_stop():
                return None
            batch = examples.batch(rows).to(device)
            said = F.softmax(model(batch.inputs, batch.lengths).double(), dim=2).cpu().numpy()
            for place, row in enumerate(rows):
                found_[starts[row] : ends[row]] = said[: ends[row] - starts[row], place]
    return found_


def _told(classes: tuple[str, ...], said: NDArray[np.int64], truth: NDArray[np.int32]) -> str:
    """The first labels of a sequence, with the truth where it is another."""
    pairs = zip(said[:_STEPS].tolist(), truth[:_STEPS].tolist(), strict=True)
    told = [classes[one] + ("" if one == wanted else f" (is {classes[wanted]})") for one, wanted in pairs]
    return ", ".join(told) + (" ..." if len(truth) > _STEPS else "")
