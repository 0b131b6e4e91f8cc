"""Images with one symbol or several, as a run keeps them. Knows no models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field, model_validator

from unrolled.data import Examples, FrameShape, Picture, Ragged
from unrolled.errors import DataError
from unrolled.runs.tasks.pictured import AboutImages, Read, one_each, shape_of

MOST_CLASSES = 1_000
_LISTED = 20


class AboutGlimpses(AboutImages):
    """What the images are, and what there is to say of them.

    classes: the names of the symbols. frame: channels, height and width. objects: the most that an image has; where
    that is more than one, an end comes behind them.
    """

    classes: tuple[str, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    frame: FrameShape
    objects: int = Field(ge=1, le=1_000)

    @model_validator(mode="after")
    def _differ(self) -> AboutGlimpses:
        if len(set(self.classes)) < len(self.classes) or min(self.frame) < 1:
            raise ValueError("a class stands twice, or images have no pixels")
        return self

    @property
    def ends(self) -> bool:
        """Whether the model says where the objects end."""
        return self.objects > 1

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return "object" if self.ends else "image"


def symbols_of(picture: Picture) -> list[str]:
    """What is in an image, from left to right, or as whoever made it has put it; a folder's name is one symbol.

    Raises:
        DataError: nothing, or several texts.
    """
    if picture.is_class:
        return list(picture.texts)
    symbols = picture.texts[0].split() if len(picture.texts) == 1 else []
    if not symbols:
        raise DataError(
            f"{picture.where}: wanted one text, of the symbols in the image, parted by spaces; there are"
            f" {len(picture.texts)}: {', '.join(map(repr, picture.texts[:3]))}"
        )
    return symbols


def about_pictures(read: Read) -> AboutGlimpses:
    """What there is to learn of these images.

    Raises:
        DataError: nothing, or too much.
    """
    symbols = [symbols_of(one) for one in read.pictures]
    classes = tuple(sorted({symbol for one in symbols for symbol in one}))
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise DataError(
            f"{read.name}: there are {len(classes):,} different symbols in {len(symbols):,} images: from 2 to"
            f" {MOST_CLASSES:,} can be learned. Is it the right column?"
        )
    return AboutGlimpses(
        name=read.name,
        examples=len(symbols),
        classes=classes,
        frame=shape_of(read.pictures),
        objects=max(map(len, symbols)),
        cut=read.cut,
        passed_over=read.passed_over,
    )


def examples_of(about: AboutGlimpses, read: Sequence[Picture], *, has_texts: bool = True) -> Examples:
    """The images, each a sequence of one, and their symbols as numbers; without texts all have the first class.

    Raises:
        DataError: a symbol that was not learned, or too many of them.
    """
    places = {name: place for place, name in enumerate(about.classes)}
    targets = []
    for one in read:
        symbols = symbols_of(one) if has_texts else about.classes[:1]
        for symbol in symbols:
            if symbol not in places:
                listed = ", ".join(about.classes[:_LISTED])
                raise DataError(f"{one.where}: the symbol {symbol!r} was not among those learned: {listed}")
        if len(symbols) > about.objects:
            raise DataError(f"{one.where}: it has {len(symbols)} symbols, at most {about.objects} were learned")
        targets.append(np.array([places[symbol] for symbol in symbols], dtype=np.int32))
    return Examples(one_each(read), Ragged.of(targets))


def check_stored(about: AboutGlimpses, examples: Examples, where: str) -> None:
    """Check that stored examples are what the data's description says.

    Raises:
        DataError: they are others.
    """
    inputs, targets = examples.inputs, examples.targets
    fits = inputs.values.dtype == np.uint8 and inputs.values.shape == (about.examples, *about.frame)
    fits = fits and len(examples) == about.examples and bool((inputs.lengths == 1).all())
    fits = fits and targets.values.dtype == np.int32 and targets.values.ndim == 1
    fits = fits and bool(((targets.values >= 0) & (targets.values < len(about.classes))).all())
    fits = fits and int(targets.lengths.min()) >= 1 and int(targets.lengths.max()) <= about.objects
    if not fits:
        raise DataError(f"the images in {where} are not those that its data.json tells of")
