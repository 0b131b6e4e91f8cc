"""What kinds of work on images share: the options that name them, and how they are read. Knows no models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationInfo

from unrolled.data import Fit, FrameShape, Picture, Ragged, are_arrays, found, name_images, passed_over, pictures
from unrolled.errors import ConfigError, DataError
from unrolled.runs.config import KEPT
from unrolled.runs.tasks.examples import AboutExamples, ExamplesConfig

OF_TABLES = frozenset({"image_folder", "image_column", "text_column"})


class ImagesConfig(ExamplesConfig):
    """The options of every kind of work on images."""

    image_column: str | None = Field(default=None, description="of a table: its name, or number from 1")
    image_folder: str | None = Field(
        default=None, description="where the images lie that a table or COCO's .json names; none: beside it"
    )
    image_size: int = Field(default=64, ge=1, le=4096, description="height and width that files of images are given")
    image_channels: Literal["grey", "rgb"] = Field(default="rgb", description="that files of images are given")
    image_fit: Fit = Field(
        default="crop",
        description="files of images that are not square: cut around their middle, padded with their edges, or"
        " stretched",
    )

    @property
    def frame(self) -> FrameShape:
        """Of files of images."""
        return (1 if self.image_channels == "grey" else 3, self.image_size, self.image_size)

    def leave_out(self, names: Sequence[str], why: str, info: ValidationInfo | None = None) -> None:
        """Check that options without effect have their defaults, but for those that `validated` is told to keep.

        Raises:
            ConfigError: one has not.
        """
        fields, context = type(self).model_fields, None if info is None else info.context
        kept = (context or {}).get(KEPT, ())
        if others := [one for one in names if one not in kept and getattr(self, one) != fields[one].default]:
            raise ConfigError(f"{why}: leave --{others[0].replace('_', '-')} out")

    @property
    def folder(self) -> Path | None:
        """Where images lie."""
        return None if self.image_folder is None else Path(self.image_folder)

    @property
    def columns(self) -> tuple[str | None, str | None]:
        """Of a table: that of images, and that of texts."""
        return self.image_column, None


class PicturesConfig(ImagesConfig):
    """The options of those that have a text for each image."""

    text_column: str | None = Field(default=None, description="of a table: its name, or number from 1")

    @property
    def columns(self) -> tuple[str | None, str | None]:
        """Of a table: that of images, and that of texts."""
        return self.image_column, self.text_column


class AboutImages(AboutExamples):
    """How images were read that are learned: see `Read`."""

    cut: int = Field(default=0, ge=0)
    passed_over: int = Field(default=0, ge=0)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was cut, and what was passed over."""
        told = []
        if self.cut:
            told.append(
                f"{self.cut:,} of {self.examples:,} images are not square: their sides were cut (--image-fit pad keeps"
                " them whole)"
            )
        if self.passed_over:
            told.append(
                f"files that were passed over, since their names do not end as those of images: {self.passed_over:,}"
            )
        return tuple(told)


@dataclass(frozen=True)
class Read:
    """Images that were read.

    name: what messages call all of them. cut: how many of them lost something at their sides. passed_over: how many
    files in folders were left alone, since their names do not end as those of images.
    """

    name: str
    pictures: list[Picture]
    cut: int
    passed_over: int


def read_pictures(
    config: ImagesConfig, places: Sequence[str], learned: FrameShape | None = None, *, has_texts: bool = True
) -> Read:
    """The images in these places. `learned`: the shape of those that were; None: these are to be learned.

    Raises:
        DataError: there are none, or of another shape. ConfigError: an option has no effect on such images.
    """
    with found(places) as sources:
        name = ", ".join(place.name for place in sources)
        if not name_images(sources):
            _check_unasked(config, name, is_new=learned is None)
        if learned is None and are_arrays(sources):
            config.leave_out(("image_size", "image_channels", "image_fit"), f"the images of {name} stay as they are")
        shape = learned or config.frame
        read = pictures(sources, shape, *config.columns, config.folder, fit=config.image_fit, has_texts=has_texts)
        others = passed_over(sources, has_texts=has_texts)
    if learned is not None:
        check_frame(read, learned)
    return Read(name, read, sum(one.is_cut for one in read), others)


def _check_unasked(config: ImagesConfig, name: str, *, is_new: bool) -> None:
    """Check that nothing is said of a table where there is none; columns may be those of what a run has learned.

    Raises:
        ConfigError: something is.
    """
    columns = zip(("--image-column", "--text-column"), config.columns, strict=True) if is_new else ()
    for option, value in (("--image-folder", config.folder), *columns):
        if value is not None:
            raise ConfigError(f"{option} is for a table of images, or COCO's .json, and {name} is none: leave it out")


def check_frame(read: Sequence[Picture], learned: FrameShape) -> None:
    """Check that images are as large as those that were learned.

    Raises:
        DataError: they are not.
    """
    if shape_of(read) != learned:
        raise DataError(
            f"{read[0].where} is {shape_of(read)} (channels, height, width), and {learned} were learned: give such"
            " arrays, or files of images, which are brought to that size"
        )


def one_each(read: Sequence[Picture]) -> Ragged:
    """Sequences of one image each."""
    return Ragged(np.stack([one.pixels for one in read]), np.arange(1, len(read) + 1))


def shape_of(read: Sequence[Picture]) -> FrameShape:
    """Channels, height and width, of all of them."""
    channels, height, width = read[0].pixels.shape
    return channels, height, width


def colours(shape: FrameShape) -> str:
    """What such images are, in words: `"grey images of 60 x 60"`."""
    channels, height, width = shape
    named = {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")
    return f"{named} images of {height} x {width}"
