"""What a run has to know of a kind of work: its options, its data, its model, its scores. Trains nothing itself.

A kind is one object. The run's folder, resume, the command, the listing of runs and the report ask it, and nothing else
differs between a language model and a translator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import nn

from unrolled.equations import Graph
from unrolled.errors import ConfigError
from unrolled.inspection import Account, Sentence
from unrolled.runs.config import RunConfig
from unrolled.runs.events import RunEvent, Told
from unrolled.training import Task

ShouldStop = Callable[[], bool]


def go_on() -> bool:
    """Nobody says stop."""
    return False


Contents = Mapping[str, Iterable[bytes]]  # of files, by name, each in blocks


class About(Protocol):
    """What data are, in small: enough to make a model for them, and to use it."""

    @property
    def name(self) -> str:
        """What they are called."""
        ...

    @property
    def unit(self) -> str:
        """What losses are counted by: "character", "example"."""
        ...


Config = TypeVar("Config", bound=RunConfig)
AboutType = TypeVar("AboutType", bound=About)
Data = TypeVar("Data")


@dataclass(frozen=True)
class DataFile:
    """A file of data in a run's folder. `largest`: bytes that are read at once; None: it can have any size.

    `smaller`: what to do where it would be larger.
    """

    name: str
    largest: int | None
    smaller: str = "Give less data"


@dataclass(frozen=True)
class Gathered(Generic[AboutType, Data]):
    """Data that were read from where the user said; `contents` writes them down for a run's folder."""

    about: AboutType
    data: Data
    contents: Callable[[], Contents]


class Score(Protocol):
    """How good a model is on data that the user names: a dataclass, and the same for reading."""

    def rows(self) -> dict[str, str]:
        """What was measured, by name, with its unit."""
        ...


class Prediction(Protocol):
    """What a model says of one example: a dataclass, and the same for reading."""

    def line(self) -> str:
        """In a line."""
        ...


Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """How a model is to be looked into.

    places: what it reads; none: what was held out. most: steps that it reads. labels: of the user's own, see
    `inspection.labels_of`; also the path of a file with a number for each step. say: is told what is going on.
    has_answers: whether anybody knows what is right; else what the model says stands in its place.
    """

    places: Sequence[str] = ()
    most: int = 100_000
    labels: Mapping[str, Any] = field(default_factory=dict)
    say: Say = lambda _: None
    has_answers: bool = True


@dataclass(frozen=True)
class Seen:
    """What was seen in a model while it read so many steps of something.

    told: sentences of the kind's own, those about one thing together. pictures: plotly's figures of its own, by what
    they show; made when somebody asks, since plotly is slow to import. A report shows both before what it has of every
    model.
    """

    name: str
    steps: int
    account: Account
    told: Sequence[Sentence] = ()
    pictures: Callable[[], Mapping[str, Any]] = dict


class Observer(Protocol):
    """Somebody who looks at the model after each evaluation, and has something to say."""

    def after(self, step: int) -> RunEvent:
        """What there is to say, after so many steps."""
        ...


class Kind(ABC, Generic[Config, AboutType, Data]):
    """One kind of work: what `--task` names."""

    name: ClassVar[str]
    reads: ClassVar[str]  # what data it learns from: files, and how they are made
    shows: ClassVar[str]  # what `show` returns, as a heading
    uses: ClassVar[Mapping[str, str]]  # commands that suit a trained run, {run} in its place -> what for
    used_with: ClassVar[frozenset[str]] = frozenset()  # options that can be others in use than they were in training
    reads_with: ClassVar[frozenset[str]] = frozenset()  # those of them that say how other data are read
    looked_with: ClassVar[frozenset[str]] = frozenset()  # those of them that matter to who looks into one
    forgets: ClassVar[frozenset[str]] = frozenset()  # options that say where the training's data lie, and nothing more
    config: type[Config]
    files: ClassVar[tuple[DataFile, ...]]

    def in_use(self, config: Config) -> Config:
        """The options of a trained run as they hold for other data."""
        fields = self.config.model_fields
        return config.model_copy(update={name: fields[name].default for name in self.forgets})

    @abstractmethod
    def learner(self, about: AboutType) -> str:
        """What learns, in words: `"a language model of characters"`."""

    @abstractmethod
    def gather(self, config: Config) -> Gathered[AboutType, Data]:
        """Read the data that the options name.

        Raises:
            DataError: they cannot be read, or there is nothing in them to learn.
        """

    @abstractmethod
    def about(self, files: Mapping[str, bytes], sizes: Mapping[str, int]) -> AboutType:
        """What the data in a run's folder are, from its files of limited size. `sizes`: of all, in bytes.

        Raises:
            DataError, ValueError: these files are not what `contents` wrote.
        """

    @abstractmethod
    def data(self, folder: Path, about: AboutType) -> Data:
        """The data in a run's folder; its files are as they were written.

        Raises:
            DataError: they cannot be read.
        """

    def settled(self, config: Config, gathered: Gathered[AboutType, Data]) -> Config:
        """The options, with sizes that suit the data where the user gave none."""
        del gathered
        return config

    @abstractmethod
    def model(self, config: Config, about: AboutType, graph: Graph) -> nn.Module:
        """A model for such data; its weights come from torch's default generator."""

    @abstractmethod
    def task(self, config: Config, about: AboutType, data: Data, model: nn.Module) -> Task:
        """What a trainer trains.

        Raises:
            DataError: the data are too few.
        """

    @abstractmethod
    def told(self, config: Config, about: AboutType, task: Task) -> Told:
        """What is learned, in words and numbers."""

    @abstractmethod
    def show(self, config: Config, about: AboutType, task: Task, step: int, should_stop: ShouldStop) -> str | None:
        """What shows how far the model is: what it writes, or says of examples. None: it was told to stop."""

    def chosen_by(self, config: Config) -> str | None:
        """The name of the score by which the best weights are chosen; None: by the loss."""
        del config
        return None

    def observers(self, config: Config, data: Data, model: nn.Module) -> Sequence[Observer]:
        """Who else looks at the model after each evaluation."""
        del config, data, model
        return ()

    @abstractmethod
    def evaluate(
        self, config: Config, about: AboutType, data: Callable[[], Data], model: nn.Module, places: Sequence[str]
    ) -> Score:
        """How good a model is on the data in these places; none: on what was held out of its own, which `data` reads.

        Raises:
            ConfigError: no places, and nothing was held out.
            DataError: there are none, or others than it can read.
        """

    def predict(
        self, config: Config, about: AboutType, model: nn.Module, places: Sequence[str]
    ) -> Iterator[Prediction]:
        """What the model says of the data in these places, which need no answers.

        Raises:
            ConfigError: it is of a kind that says nothing of data.
            DataError: there are none, or others than it can read.
        """
        del config, about, model, places
        raise ConfigError(f"--task {self.name} learns nothing that could be predicted of a file")

    def legend(self, about: AboutType) -> Mapping[str, Any]:
        """What the numbers mean that a model reads and gives, for who uses it without the run: JSON, by name."""
        del about
        return {}

    @abstractmethod
    def look(self, config: Config, about: AboutType, data: Callable[[], Data], model: nn.Module, asked: Asked) -> Seen:
        """What is seen in a model while it reads. `data`: reads what the run has of its own.

        Raises:
            ConfigError: it cannot be looked into in that way. DataError: there is too little to read.
        """
