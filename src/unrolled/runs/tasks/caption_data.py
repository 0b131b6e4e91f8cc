"""Captioned images as a run keeps them, and as ids. Knows no models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import Field

from unrolled.data import Examples, FrameShape, Lexicon, Pairs, Picture, Pixels, Ragged, Spelling
from unrolled.errors import DataError
from unrolled.runs.tasks.examples import AboutExamples
from unrolled.runs.tasks.translate_data import encoded

LONGEST = 1_000  # pieces


class AboutCaptions(AboutExamples):
    """The words of the captions, how many the longest has that is learned, and what the images are.

    frame: channels, height and width. mean, deviation: of each channel of what is learned.
    """

    spelling: Lexicon | Pairs
    longest: int = Field(ge=1, le=LONGEST)
    frame: FrameShape
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return self.spelling.unit


@dataclass(frozen=True)
class Captioned(Examples):
    """Images `[1, C, height, width]` in a row each, their captions as ids one behind the other, and as texts.

    wheres: where each stands.
    """

    texts: tuple[tuple[str, ...], ...]
    wheres: tuple[str, ...]

    def pick(self, rows: Sequence[int] | NDArray[np.int64]) -> Self:
        """Some of them, in that order."""
        texts = tuple(self.texts[int(row)] for row in rows)
        return replace(super().pick(rows), texts=texts, wheres=tuple(self.wheres[int(row)] for row in rows))

    @property
    def pixels(self) -> Pixels:
        """All images, `[N, C, height, width]`."""
        images: Pixels = self.inputs.values
        return images


def captioned(spelling: Spelling, pictures: Sequence[Picture], most: int) -> Captioned:
    """Pictures with captions as ids, each with the boundary behind it.

    Raises:
        DataError: a caption has more than `most` pieces, or none.
    """
    targets = [_targets(spelling, one, most) for one in pictures]
    images = np.stack([one.pixels for one in pictures])
    every = Ragged(images, np.arange(1, len(images) + 1))
    return Captioned(
        every, Ragged.of(targets), tuple(one.texts for one in pictures), tuple(one.where for one in pictures)
    )


def _targets(spelling: Spelling, picture: Picture, most: int) -> NDArray[np.int32]:
    boundary = np.array([len(spelling)], dtype=np.int32)
    parts = [np.zeros(0, dtype=np.int32)]
    for text in picture.texts:
        ids = encoded(spelling, text, picture.where, most, least=0)
        if not len(ids):
            raise DataError(f"{picture.where}: the caption {text[:40]!r} has no {spelling.unit}: mend it, or remove it")
        parts += [ids, boundary]
    return np.concatenate(parts)


def stored_captions(data: Captioned) -> bytes:
    """A file of these images and their captions, in safetensors."""
    texts = json.dumps([data.texts, data.wheres]).encode("utf-8")
    arrays = {"images": np.ascontiguousarray(data.pixels), "texts": np.frombuffer(texts, dtype=np.uint8)}
    return safetensors.numpy.save(arrays)


def read_captions(path: Path, frame: FrameShape, count: int) -> list[Picture]:
    """The pictures in such a file.

    Raises:
        DataError: it is none, or holds other pictures than so many of that shape.
    """
    try:
        arrays = safetensors.numpy.load_file(path)
        texts, wheres = json.loads(arrays["texts"].tobytes())
        images = arrays["images"]
        fits = images.dtype == np.uint8 and images.shape == (count, *frame) and len(texts) == len(wheres) == count
        if not fits or not all(isinstance(one, str) for of_one in (*texts, wheres) for one in of_one):
            raise ValueError("others than were stored")
        return [
            Picture(pixels, tuple(said), str(where)) for pixels, said, where in zip(images, texts, wheres, strict=True)
        ]
    except (OSError, KeyError, ValueError, TypeError, RecursionError, safetensors.SafetensorError) as error:
        raise DataError(f"{path} holds no captioned images: {error}") from error
