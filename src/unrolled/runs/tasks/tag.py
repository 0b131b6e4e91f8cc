"""The kind "tag": a label for every step of a sequence. Words, measured numbers, or the frames of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import Field

from unrolled.data import FrameShape, Labelled, Pieces, Place, tagged
from unrolled.equations import Graph
from unrolled.layers import Blocks
from unrolled.models import SequenceConfig, Tagger
from unrolled.runs.tasks.classes import AboutClasses, ClassesConfig, ClassesKind
from unrolled.runs.tasks.classes_score import Probabilities

_STEPS = 12  # of a sequence that is shown


class TagConfig(ClassesConfig):
    """Everything that makes a run on tagged sequences what it is."""

    task: Literal["tag"] = Field(default="tag", description="what is learned")
    lower: bool = Field(default=False, description="capital letters are read as small ones")
    blocks: Blocks = Field(default="residual", description="of the convolutional network that reads frames")
    frame_size: int = Field(default=32, ge=1, le=4096, description="height and width that a video's frames are given")
    frame_channels: Literal["grey", "rgb"] = Field(default="grey", description="that a video's frames are given")
    batch_size: int = Field(default=32, ge=1, description="streams of text, or examples, read side by side")
    hidden_size: int = Field(default=128, ge=1, le=1_000_000, description="units")
    dropout: float = Field(default=0.2, ge=0, lt=1)

    @property
    def pieces(self) -> Pieces:
        """Words come in lines."""
        return "lines"

    @property
    def frame(self) -> FrameShape:
        """Of a video."""
        return (1 if self.frame_channels == "grey" else 3, self.frame_size, self.frame_size)


class AboutTagged(AboutClasses):
    """Tagged sequences."""

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return "step" if self.frame is None else "frame"


@dataclass(frozen=True)
class PredictedTags:
    """What a tagger says of a sequence: a label for each step, and how likely it is.

    `where`: file and line; of words, the words themselves.
    """

    where: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    def line(self) -> str:
        """The same for reading."""
        return f"{' '.join(self.labels)}\t{self.where}"


class TagKind(ClassesKind[TagConfig, AboutTagged]):
    """A recurrent stack reads the sequence, and says a label after each step."""

    name = "tag"
    config = TagConfig
    about_type = AboutTagged
    subject = "labels"
    reads = "a file of words and labels, an .npz of numbers or frames, or videos"
    answer = "label"
    shown = 3

    def learner(self, about: AboutTagged) -> str:
        """What learns, in words."""
        return f"a tagger of {len(about.classes)} labels"

    def answers(self, length: int) -> int:
        """One for each step."""
        return length

    def read(
        self, config: TagConfig, places: Sequence[Place], frame: FrameShape | None = None, *, has_labels: bool
    ) -> list[Labelled]:
        """Words in lines, arrays, or videos: their frames as those that were learned, else as the options say."""
        return tagged(places, frame or config.frame, has_labels=has_labels)

    def model(self, config: TagConfig, about: AboutTagged, graph: Graph) -> Tagger:
        """A tagger of such sequences."""
        return Tagger(SequenceConfig(**self.sizes(config, about, blocks=config.blocks)), graph)

    def line(self, about: AboutTagged, ids: NDArray[Any], truth: NDArray[Any], probabilities: Probabilities) -> str:
        """The first labels, with the truth where it is another."""
        del ids
        pairs = zip(probabilities[:_STEPS].argmax(axis=1).tolist(), truth[:_STEPS].tolist(), strict=True)
        names = about.classes
        told = [names[said] + ("" if said == wanted else f" (is {names[wanted]})") for said, wanted in pairs]
        return ", ".join(told) + (" ..." if len(truth) > _STEPS else "")

    def predicted(self, about: AboutTagged, one: Labelled, probabilities: Probabilities) -> PredictedTags:
        """A label for each step."""
        labels = tuple(about.classes[place] for place in probabilities.argmax(axis=1))
        where = " ".join(one.value.split("\n")) if isinstance(one.value, str) else one.where
        return PredictedTags(where, labels, tuple(probabilities.max(axis=1).tolist()))
