"""The kind "draw": images that a network learns to draw, step by step (DRAW, Gregor et al. 2015)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import nn

from unrolled.data import Examples, Picture, Ragged, read_examples, stored_examples
from unrolled.equations import Graph
from unrolled.errors import DataError
from unrolled.models import Drawer, DrawerConfig, evaluating
from unrolled.rounding import rounded
from unrolled.runs.tasks.blocks import in_blocks
from unrolled.runs.tasks.draw_config import DrawConfig
from unrolled.runs.tasks.draw_look import imagined_pictures, look_at_drawings
from unrolled.runs.tasks.draw_score import DrawScore, bounds_of
from unrolled.runs.tasks.examples import ABOUT, ExamplesKind
from unrolled.runs.tasks.kind import Asked, DataFile, Gathered, Prediction, Seen, ShouldStop, go_on
from unrolled.runs.tasks.pictured import AboutImages, one_each, read_pictures, shape_of
from unrolled.training import ExamplesTask, noise

_IMAGES = "images.safetensors"
_SHOWN = 3  # images that are imagined
_DIGITS = 4  # of the mean of a pixel


class AboutPictures(AboutImages):
    """`shape`: channels, height and width of all images. `mean`: of each pixel of those that are learned, 0 to 1."""

    shape: tuple[int, int, int] = Field(description="channels, height, width")
    mean: tuple[float, ...]

    @model_validator(mode="after")
    def _belong_together(self) -> AboutPictures:
        fits = min(self.shape) >= 1 and len(self.mean) == math.prod(self.shape)
        if not fits or not all(0 <= one <= 1 for one in self.mean):
            raise ValueError(f"the mean of images of {self.shape} has a number from 0 to 1 for each pixel")
        return self

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return "image"


@dataclass(frozen=True)
class Bound:
    """How many nats an image costs: of pixels that are 0 or 1, -log p(x) is no more, in the mean over the noise.

    `where`: file, and line or number.
    """

    where: str
    nats: float
    reconstruction: float
    latent: float

    def line(self) -> str:
        """The same for reading."""
        whole, *parts = (rounded(one, 2) for one in (self.nats, self.reconstruction, self.latent))
        return f"{whole}\t{' + '.join(parts)}\t{self.where}"


class DrawKind(ExamplesKind[DrawConfig, AboutPictures, Examples]):
    """An encoder looks at an image again and again, a decoder draws it."""

    name = "draw"
    subject = "images"
    reads = (
        "an .npz of x, a folder of images, a table that names some, or a corpus of images ('unrolled data get digits')"
    )
    config = DrawConfig
    about_type = AboutPictures
    files = (ABOUT, DataFile(_IMAGES, None))
    shows = "what it draws out of nothing"
    forgets = frozenset({"image_folder"})
    used_with = frozenset({"draws", "image_folder", "image_column"})
    looked_with = reads_with = frozenset({"image_folder", "image_column"})
    uses = MappingProxyType(
        {
            "unrolled predict {run} FILE": "how many nats each of other images costs",
            "unrolled eval {run} FILE": "how many they cost in the mean",
            "unrolled draw {run}": "images that it makes out of nothing",
            "unrolled look {run}": "how it draws: a report with pictures",
        }
    )

    def learner(self, about: AboutPictures) -> str:
        """What learns, in words."""
        return "a drawer of images of {} x {} x {}".format(*about.shape)

    def gather(self, config: DrawConfig) -> Gathered[AboutPictures, Examples]:
        """Read all images; what belongs to them is left alone."""
        self.check_named(config)
        read = read_pictures(config, config.data, has_texts=False)
        name, every = read.name, read.pictures
        examples = _examples(every)
        rows = config.rows(len(every))[0]
        if not len(rows):
            raise DataError(f"{name} has {len(every)} images: none is left with --val-frac {config.val_frac:g}")
        mean = _shares(examples.inputs.values[rows], config.threshold).mean(axis=0).round(_DIGITS).reshape(-1)
        about = AboutPictures(
            name=name,
            examples=len(every),
            shape=shape_of(every),
            mean=tuple(mean.tolist()),
            cut=read.cut,
            passed_over=read.passed_over,
        )
        return self.gathered(about, examples)

    def stored(self, data: Examples) -> bytes:
        """All pixels, in safetensors."""
        return stored_examples(data)

    def data(self, folder: Path, about: AboutPictures) -> Examples:
        """The images, if they are what a model of them can draw."""
        examples = read_examples(folder / _IMAGES)
        values = examples.inputs.values
        fits = values.dtype == np.uint8 and values.shape == (about.examples, *about.shape)
        if not fits or not (examples.inputs.lengths == 1).all() or len(examples.targets.values) != len(values):
            raise DataError(f"the images in {folder} are not those that its data.json tells of")
        return examples

    def described(self, about: AboutPictures) -> str:
        """Their size."""
        return "images of {} x {} x {}".format(*about.shape)

    def model(self, config: DrawConfig, about: AboutPictures, graph: Graph) -> Drawer:
        """A drawer of such images."""
        sizes = DrawerConfig(
            shape=about.shape,
            steps=config.strokes,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            latent_size=config.latent_size,
            read_size=config.read_size,
            write_size=config.write_size,
            threshold=config.threshold,
            dropout=config.dropout,
            shift=config.shift,
            turn=config.turn,
        )
        drawer = Drawer(sizes, graph)
        drawer.begin_with(torch.tensor(about.mean))
        return drawer

    def guessing(self, about: AboutPictures) -> float:
        """Each pixel bright or dark."""
        return math.prod(about.shape) * math.log(2)

    @torch.no_grad()
    def show(
        self, config: DrawConfig, about: AboutPictures, task: object, step: int, should_stop: ShouldStop
    ) -> str | None:
        """Some images that it draws out of nothing."""
        del about, should_stop
        assert isinstance(task, ExamplesTask)
        model = task.model
        assert isinstance(model, Drawer)
        with evaluating(model), noise(config.seed, "sampling", step, model.blank.device):
            canvas = model.imagined(model.noise(_SHOWN)).canvases[-1]
        return in_blocks(canvas.sigmoid().cpu().numpy())

    def others(self, config: DrawConfig, about: AboutPictures, places: Sequence[str]) -> tuple[str, Examples]:
        """The images in these places."""
        read = read_pictures(config, places, about.shape, has_texts=False)
        return read.name, _examples(read.pictures)

    def score(
        self,
        config: DrawConfig,
        about: AboutPictures,
        model: nn.Module,
        examples: Examples,
        should_stop: ShouldStop = go_on,
    ) -> DrawScore | None:
        """How many nats they cost."""
        assert isinstance(model, Drawer)
        bounds = bounds_of(model, examples, config.draws, should_stop)
        if bounds is None:
            return None
        return bounds.score(math.prod(about.shape), config.draws, is_bound=config.threshold > 0)

    def predict(
        self, config: DrawConfig, about: AboutPictures, model: nn.Module, places: Sequence[str]
    ) -> Iterator[Prediction]:
        """How many nats each image costs."""
        assert isinstance(model, Drawer)
        every = read_pictures(config, places, about.shape, has_texts=False).pictures
        bounds = bounds_of(model, _examples(every), config.draws)
        assert bounds is not None, "nobody says stop"
        parts = zip(bounds.reconstruction.tolist(), bounds.latent.tolist(), strict=True)
        for one, (reconstruction, latent) in zip(every, parts, strict=True):
            yield Bound(one.where, reconstruction + latent, reconstruction, latent)

    def look(
        self, config: DrawConfig, about: AboutPictures, data: Callable[[], Examples], model: nn.Module, asked: Asked
    ) -> Seen:
        """How it draws what was held out, or other images; and what it draws out of nothing, beside what it learned."""
        assert isinstance(model, Drawer)
        seen = super().look(config, about, data, model, asked)
        learned, _ = self.parted(config, about, data())
        told, imagined = imagined_pictures(model, learned, config.seed)

        def both() -> Mapping[str, Any]:
            return {**seen.pictures(), **imagined()}

        return replace(seen, told=[*seen.told, *told], pictures=both)

    def seen(
        self, config: DrawConfig, about: AboutPictures, model: nn.Module, name: str, examples: Examples, asked: Asked
    ) -> Seen:
        """How it draws them, what each step says, units, gates, gradients."""
        del config, about
        assert isinstance(model, Drawer)
        return look_at_drawings(model, examples, name, asked)


def _shares(pixels: NDArray[np.uint8], threshold: int) -> NDArray[Any]:
    """Images as a drawer sees them, from 0 to 1: see `Drawer.pixels`."""
    return pixels >= threshold if threshold else pixels / np.iinfo(np.uint8).max


def _examples(every: Sequence[Picture]) -> Examples:
    """Each image is a sequence of one step; nothing else is wanted of it than itself."""
    images = one_each(every)
    return Examples(images, Ragged(np.zeros(len(every), dtype=np.int32), images.ends))
