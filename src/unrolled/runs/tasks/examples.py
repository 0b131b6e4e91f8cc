"""What kinds of work on independent examples share: how they are stored, split, and told of. Knows no models."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn

from unrolled.data import Examples
from unrolled.errors import ConfigError, DataError, GenerationError, NoAnswerError, RunError
from unrolled.runs.config import RunConfig
from unrolled.runs.events import Told
from unrolled.runs.tasks.kind import Asked, Contents, DataFile, Gathered, Kind, Score, Seen, ShouldStop, go_on
from unrolled.training import Evaluation, ExamplesTask

_STILL = 1e-9  # of its mean: a channel that moves by less does not move
_AT_ONCE = 1_000  # steps, or frames, whose squares are held at once
_TOLD_AT_ONCE = 256  # examples
_LETTERS = 100  # of a text that is shown
ABOUT = DataFile("data.json", 1 << 27, "Give a smaller --vocab-size")

Rows = NDArray[np.int64]


class ExamplesConfig(RunConfig):
    """The options of every kind of work on examples."""

    val_frac: float = Field(default=0.1, ge=0, lt=1, description="share of the data held out; 0: none")
    split_seed: int = Field(default=0, ge=0, lt=2**63, description="of which examples are held out")
    evaluations: int = Field(default=10, ge=1, le=10**12, description="how often what is held out is measured")

    @field_validator("loss_reduction")
    @classmethod
    def _is_the_mean(cls, reduction: str) -> str:
        if reduction != "mean":
            raise ValueError("the loss of examples is a mean: --loss-reduction sum is for --task text")
        return reduction

    def rows(self, count: int) -> tuple[Rows, Rows]:
        """Which of so many examples are learned, and which are held out."""
        order = np.random.default_rng(self.split_seed).permutation(count)
        held_out = round(count * self.val_frac)
        return np.sort(order[held_out:]), np.sort(order[:held_out])


class AboutExamples(BaseModel):
    """What all of them say of their data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(default=1, ge=1, le=1)
    name: str
    examples: int = Field(ge=1)

    @field_validator("name")
    @classmethod
    def _can_be_written(cls, name: str) -> str:
        """A name of a file that is no UTF-8, or that breaks lines, is kept readable."""
        readable = os.fsencode(name).decode("utf-8", "replace")
        return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in readable)

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return "example"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of how they were read, in a sentence each."""
        return ()


def spread(count: int, most: int) -> Rows:
    """Rows evenly spread over so many, `most` or fewer: a file may have one class after the other."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def in_parts(count: int) -> Iterator[range]:
    """The rows of so many examples, a few after the other: of the first ones is told before the last ones are read."""
    return (range(start, min(start + _TOLD_AT_ONCE, count)) for start in range(0, count, _TOLD_AT_ONCE))


def scale_of(values: Sequence[NDArray[Any]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the deviation of each channel of numbers `[T, C]`, or of frames `[T, C, height, width]`.

    A channel that never changes has the deviation 1.
    """
    others = tuple(place for place in range(values[0].ndim) if place != 1)
    wide = (1, -1) + (1,) * (values[0].ndim - 2)
    count = sum(one.size // one.shape[1] for one in values)
    mean = sum(one.sum(axis=others, dtype=np.float64) for one in _in_pieces(values)) / count
    spread = sum(np.square(one - mean.reshape(wide)).sum(axis=others) for one in _in_pieces(values)) / count
    deviation = np.sqrt(spread)
    moves = deviation > _STILL * np.abs(mean)
    return tuple(mean.tolist()), tuple(np.where(moves, deviation, 1.0).tolist())


def _in_pieces(values: Sequence[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """The steps of all, so many at once: of a long video, in float64, all would fill the memory."""
    for one in values:
        yield from (one[start : start + _AT_ONCE] for start in range(0, len(one), _AT_ONCE))


Config = TypeVar("Config", bound=ExamplesConfig)
AboutType = TypeVar("AboutType", bound=AboutExamples)
Data = TypeVar("Data", bound=Examples)


def told(said: str, truth: str, *, is_right: bool, source: str = "") -> str:
    """What was said (of a source), and where that is wrong what it is: for reading, without what is too long."""
    lines = [_shortened(one) for one in ([source, said] if source else [said])]
    if not is_right:
        lines.append(f"(is {_shortened(truth)})")
    return f"{'  ' if is_right else 'x '}" + "\n    ".join(lines)


def _shortened(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}..."


class Scored(Score, Protocol):
    """A score that says how a training goes on."""

    @property
    def nats(self) -> float:
        """The loss."""
        ...

    @property
    def by_name(self) -> Mapping[str, float]:
        """Scores of which the higher is the better."""
        ...


def measuring(
    score: Callable[[ShouldStop], Scored | None], chosen_by: str | None
) -> Callable[[ShouldStop], Evaluation | None]:
    """What a trainer asks for, of how what is held out is scored; `chosen_by`: see `Evaluation`."""

    def measure(should_stop: ShouldStop) -> Evaluation | None:
        try:
            found = score(should_stop)
        except (GenerationError, RunError):
            return Evaluation(math.nan)  # (the trainer says what is wrong)
        return None if found is None else Evaluation(found.nats, found.by_name, chosen_by)

    return measure


class ExamplesKind(Kind[Config, AboutType, Data], Generic[Config, AboutType, Data]):
    """A kind of work whose data are examples. Of its two files `data.json` says what they are, the other holds them.

    while_training: options of use as they are where what is held out is measured. shown: examples of which is told.
    """

    about_type: type[AboutType]
    subject: ClassVar[str]  # what is learned of what it reads
    while_training: Mapping[str, Any] = MappingProxyType({})
    shown = 4
    uses = MappingProxyType(
        {
            "unrolled predict {run} FILE": "what it says of other examples",
            "unrolled eval {run} FILE": "how good it is on others whose answers are known",
            "unrolled look {run}": "what is inside: a report with pictures",
            "unrolled export {run}": "files for ONNX Runtime, which need no Unrolled",
        }
    )
    shows = "what it says of examples"

    @abstractmethod
    def described(self, about: AboutType) -> str:
        """What the examples are, in words: `"20,000 different words, 2 classes"`."""

    @abstractmethod
    def stored(self, data: Data) -> bytes:
        """The file that holds the examples."""

    @abstractmethod
    def others(self, config: Config, about: AboutType, places: Sequence[str]) -> tuple[str, Data]:
        """What other examples are called, and what they are, with their answers.

        Raises:
            DataError: there are none, or others than the model can read.
        """

    @abstractmethod
    def score(
        self, config: Config, about: AboutType, model: nn.Module, examples: Data, should_stop: ShouldStop = go_on
    ) -> Scored | None:
        """How good a model is on these examples; None if it was told to stop.

        Raises:
            GenerationError, RunError: the model's numbers are not finite.
        """

    @abstractmethod
    def guessing(self, about: AboutType) -> float:
        """The loss of a model that knows nothing, in nats for each target."""

    def lines(
        self, config: Config, about: AboutType, model: nn.Module, examples: Data, should_stop: ShouldStop
    ) -> Sequence[str] | None:
        """What it says of each example, and what that is; None if it was told to stop."""
        raise NotImplementedError(f"{self.name} says nothing of single examples")

    def weights(self, config: Config, about: AboutType, learned: Data) -> Tensor | None:
        """Of each kind of target in the loss, `[K]`; None: all count the same."""
        del config, about, learned
        return None

    def prepare(self, config: Config, model: nn.Module) -> Callable[[int], None] | None:
        """What is told the number of each step before its loss is computed, if anything."""
        del config, model
        return None

    @abstractmethod
    def seen(self, config: Config, about: AboutType, model: nn.Module, name: str, examples: Data, asked: Asked) -> Seen:
        """What is seen in a model while it reads these examples, which are called so."""

    def unanswered(
        self, config: Config, about: AboutType, model: nn.Module, places: Sequence[str]
    ) -> tuple[str, Data] | None:
        """Examples of which nobody knows the answers, with those of the model; None: such are not looked at."""
        del config, about, model, places
        return None

    def check_named(self, config: Config) -> None:
        """Check that data are named.

        Raises:
            DataError: none are.
        """
        if not config.data:
            raise DataError(f"{self.subject} of what? Name {self.reads}")

    def gathered(self, about: AboutType, data: Data) -> Gathered[AboutType, Data]:
        """Examples that were read, and how a run keeps them."""
        holder = self.files[1].name

        def contents() -> Contents:
            return {ABOUT.name: [about.model_dump_json().encode("utf-8")], holder: [self.stored(data)]}

        return Gathered(about, data, contents)

    def about(self, files: Mapping[str, bytes], sizes: Mapping[str, int]) -> AboutType:
        """What `contents` wrote of them."""
        del sizes
        return self.about_type.model_validate_json(files[ABOUT.name])

    def parted(self, config: Config, about: AboutType, data: Data) -> tuple[Data, Data | None]:
        """What is learned, and what is held out, if anything.

        Raises:
            DataError: nothing is left for one of them.
        """
        learned, held_out = config.rows(len(data))
        if not len(learned) or (config.val_frac and not len(held_out)):
            raise DataError(
                f"{about.name} has {len(data)} examples: too few to learn some and hold {config.val_frac:g} of them"
                " out. Give more, or another --val-frac"
            )
        return data.pick(learned), data.pick(held_out) if len(held_out) else None

    def task(self, config: Config, about: AboutType, data: Data, model: nn.Module) -> ExamplesTask:
        """All examples but those held out."""
        learned, held_out = self.parted(config, about, data)

        def scored(should_stop: ShouldStop) -> Scored | None:
            assert held_out is not None
            return self.score(self._in_training(config), about, model, held_out, should_stop)

        return ExamplesTask(
            model,
            learned,
            held_out,
            config.batch_size,
            seed=config.seed,
            loss_of_guessing=self.guessing(about),
            measure=measuring(scored, self.chosen_by(config)),
            weights=self.weights(config, about, learned),
            prepare=self.prepare(config, model),
        )

    def show(self, config: Config, about: AboutType, task: object, step: int, should_stop: ShouldStop) -> str | None:
        """What it says of a few examples, and what they are."""
        del step
        assert isinstance(task, ExamplesTask)
        few: Any = task.shown.pick(spread(len(task.shown), self.shown))
        try:
            lines = self.lines(self._in_training(config), about, task.model, few, should_stop)
        except (GenerationError, RunError):
            return None  # (numbers that are not finite: the trainer says what is wrong)
        return None if lines is None else "\n".join(lines)

    def _in_training(self, config: Config) -> Config:
        return config.model_copy(update=dict(self.while_training))

    def evaluate(
        self, config: Config, about: AboutType, data: Callable[[], Data], model: nn.Module, places: Sequence[str]
    ) -> Score:
        """How good it is on other examples, or on those that were held out."""
        _, examples = self._asked(config, about, data, places)
        score = self.score(config, about, model, examples)
        assert score is not None, "nobody says stop"
        return score

    def look(self, config: Config, about: AboutType, data: Callable[[], Data], model: nn.Module, asked: Asked) -> Seen:
        """What is seen while it reads other examples, or those that were held out."""
        if asked.labels:
            raise ConfigError(
                f"labels of one's own are for text, --task text: with --task {self.name} the answers are looked for"
            )
        try:
            name, examples = self._asked(config, about, data, asked.places)
        except NoAnswerError:
            found = self.unanswered(config, about, model, asked.places)
            if found is None:
                raise
            (name, examples), asked = found, replace(asked, has_answers=False)
        return self.seen(config, about, model, name, examples, asked)

    def _asked(
        self, config: Config, about: AboutType, data: Callable[[], Data], places: Sequence[str]
    ) -> tuple[str, Data]:
        if places:
            return self.others(config, about, places)
        if not config.val_frac:
            raise ConfigError(
                "nothing was held out of what this run has learned: name other examples, 'eval RUN FILE' or 'look RUN"
                " FILE'"
            )
        held_out = self.parted(config, about, data())[1]
        assert held_out is not None
        return f"{about.name}, held out", held_out

    def told(self, config: Config, about: AboutType, task: object) -> Told:
        """How many examples, of what."""
        assert isinstance(task, ExamplesTask)
        held_out = len(config.rows(about.examples)[1])
        words = f"{about.name}: {about.examples:,} examples, {self.described(about)}; {held_out:,} are held out"
        others = 0 if task.held_out is None else len(task.held_out.targets.values)
        words = "\n".join([words, *about.remarks])
        return Told(about.unit, len(task.learned.targets.values), others, words)
