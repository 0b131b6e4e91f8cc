"""The kind "glimpse": an image in, what is in it out, from a few glimpses (RAM, DRAM and DRAW's reader)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unrolled.data import Examples, read_examples, stored_examples
from unrolled.equations import Graph
from unrolled.models import Beholder, Glimpser, GlimpserConfig, WindowGlimpser, WindowGlimpserConfig
from unrolled.runs.tasks.examples import ABOUT, ExamplesKind
from unrolled.runs.tasks.glimpse_config import OF_CHANCE, OF_PATCHES, GlimpseConfig
from unrolled.runs.tasks.glimpse_data import AboutGlimpses, about_pictures, check_stored, examples_of
from unrolled.runs.tasks.glimpse_look import look_at_glimpses
from unrolled.runs.tasks.glimpse_score import GlimpseScore, answers_of, said_of, said_targets, score_of
from unrolled.runs.tasks.kind import Asked, DataFile, Gathered, Prediction, Seen, ShouldStop, go_on
from unrolled.runs.tasks.pictured import OF_TABLES, colours, read_pictures

_IMAGES = "images.safetensors"
_LISTED = 8


@dataclass(frozen=True)
class Recognised:
    """What a glimpser says of an image: its symbols, parted by spaces, and how likely each is."""

    where: str
    text: str
    probabilities: tuple[float, ...]

    def line(self) -> str:
        """The same for reading: the probability is that of all symbols together."""
        return f"{self.text}\t{math.prod(self.probabilities):.3f}\t{self.where}"


class GlimpseKind(ExamplesKind[GlimpseConfig, AboutGlimpses, Examples]):
    """A recurrent network looks at an image in glimpses, chooses where to look next, and says what it saw."""

    name = "glimpse"
    subject = "images"
    reads = (
        "an .npz of x and y, a table (.tsv, .csv) of images and labels, a folder with a folder for each label, or a"
        " corpus ('unrolled data get translated-digits')"
    )
    config = GlimpseConfig
    about_type = AboutGlimpses
    files = (ABOUT, DataFile(_IMAGES, None))
    forgets = frozenset({"image_folder"})
    used_with = frozenset({"runs", *OF_TABLES})
    looked_with = reads_with = OF_TABLES
    while_training = MappingProxyType({"runs": 1})
    shown = 8
    shows = "what it says of images"
    uses = MappingProxyType(
        {
            "unrolled predict {run} FILE": "what it says of other images",
            "unrolled eval {run} FILE": "how good it is on others whose answers are known",
            "unrolled look {run}": "where it looks: a report with pictures",
        }
    )

    def learner(self, about: AboutGlimpses) -> str:
        """What learns, in words."""
        objects = f", up to {about.objects} in an image" if about.ends else ""
        return f"a glimpser of {len(about.classes)} classes{objects}"

    def gather(self, config: GlimpseConfig) -> Gathered[AboutGlimpses, Examples]:
        """Read all images and what is in them."""
        self.check_named(config)
        read = read_pictures(config, config.data)
        about = about_pictures(read)
        return self.gathered(about, examples_of(about, read.pictures))

    def stored(self, data: Examples) -> bytes:
        """All pixels and symbols, in safetensors."""
        return stored_examples(data)

    def data(self, folder: Path, about: AboutGlimpses) -> Examples:
        """The same again."""
        examples = read_examples(folder / _IMAGES)
        check_stored(about, examples, str(folder))
        return examples

    def described(self, about: AboutGlimpses) -> str:
        """The size of the images, and the classes."""
        more = " ..." if len(about.classes) > _LISTED else ""
        return f"{colours(about.frame)}, {len(about.classes)} classes ({', '.join(about.classes[:_LISTED])}{more})"

    def model(self, config: GlimpseConfig, about: AboutGlimpses, graph: Graph) -> Beholder:
        """What looks at such images."""
        sizes: dict[str, Any] = {
            "image": about.frame,
            "classes": len(about.classes),
            "objects": about.objects,
            "ends": about.ends,
            "glimpses": config.glimpses_each,
            "glimpse_size": config.glimpse_size,
            "hidden_size": config.hidden_size,
            "asked": config.asked,
        }
        if config.network == "draw":
            return WindowGlimpser(WindowGlimpserConfig(**sizes), graph)
        return Glimpser(GlimpserConfig(**sizes, **_of_locations(config)), graph)

    def guessing(self, about: AboutGlimpses) -> float:
        """Any class, or the end."""
        return math.log(len(about.classes) + about.ends)

    def chosen_by(self, config: GlimpseConfig) -> str:
        """How many images are right."""
        del config
        return "accuracy"

    def lines(
        self, config: GlimpseConfig, about: AboutGlimpses, model: nn.Module, examples: Examples, should_stop: ShouldStop
    ) -> list[str] | None:
        """What it says of each image, and what that is."""
        assert isinstance(model, Beholder)
        answers = answers_of(model, examples, config.runs, should_stop)
        if answers is None:
            return None
        return [_told(about, examples.targets[row], of_one) for row, of_one in enumerate(answers)]

    def others(self, config: GlimpseConfig, about: AboutGlimpses, places: Sequence[str]) -> tuple[str, Examples]:
        """The images in these places, and what is in them."""
        read = read_pictures(config, places, about.frame)
        return read.name, examples_of(about, read.pictures)

    def score(
        self,
        config: GlimpseConfig,
        about: AboutGlimpses,
        model: nn.Module,
        examples: Examples,
        should_stop: ShouldStop = go_on,
    ) -> GlimpseScore | None:
        """How many images are right, and more."""
        assert isinstance(model, Beholder)
        answers = answers_of(model, examples, config.runs, should_stop)
        return None if answers is None else score_of(model, examples, answers, about.unit)

    def predict(
        self, config: GlimpseConfig, about: AboutGlimpses, model: nn.Module, places: Sequence[str]
    ) -> Iterator[Prediction]:
        """What is in each image."""
        assert isinstance(model, Beholder)
        read = read_pictures(config, places, about.frame, has_texts=False).pictures
        answers = answers_of(model, examples_of(about, read, has_texts=False), config.runs)
        assert answers is not None, "nobody says stop"
        for one, of_one in zip(read, answers, strict=True):
            said, chances = said_of(about.classes, of_one)
            yield Recognised(one.where, " ".join(said), chances)

    def unanswered(
        self, config: GlimpseConfig, about: AboutGlimpses, model: nn.Module, places: Sequence[str]
    ) -> tuple[str, Examples]:
        """Images of which nobody says what is in them, as if what it says were."""
        assert isinstance(model, Beholder)
        read = read_pictures(config, places, about.frame, has_texts=False)
        images = examples_of(about, read.pictures, has_texts=False)
        answers = answers_of(model, images, 1)
        assert answers is not None, "nobody says stop"
        return read.name, replace(images, targets=said_targets(about.classes, answers))

    def legend(self, about: AboutGlimpses) -> Mapping[str, Any]:
        """The classes."""
        return {"classes": about.classes}

    def seen(
        self,
        config: GlimpseConfig,
        about: AboutGlimpses,
        model: nn.Module,
        name: str,
        examples: Examples,
        asked: Asked,
    ) -> Seen:
        """Where it looks, what it sees there, what it then thinks; gates and gradients."""
        del config
        assert isinstance(model, Beholder)
        return look_at_glimpses(model, about, examples, name, asked)


def _of_locations(config: GlimpseConfig) -> dict[str, Any]:
    """What a network has beside that chooses locations, and sees patches there."""
    is_ram = config.network == "ram"
    return {
        **{name: getattr(config, name) for name in OF_PATCHES + OF_CHANCE},
        "join": "sum" if is_ram else "product",
        "locator": "core" if is_ram else "layer",
        "context": config.context_size,
    }


def _told(about: AboutGlimpses, truth: NDArray[Any], answers: NDArray[np.float64]) -> str:
    said, chances = said_of(about.classes, answers)
    wanted = tuple(about.classes[symbol] for symbol in truth.tolist())
    verdict = "" if said == wanted else f", is {' '.join(wanted)}"
    return f"{'  ' if said == wanted else 'x '}{' '.join(said) or '(nothing)'} {math.prod(chances):.2f}{verdict}"
