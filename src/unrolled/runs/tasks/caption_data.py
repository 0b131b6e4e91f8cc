"""Captioned images as a run keeps them, and as ids. Knows no models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import Field

from unrolled.data import Examples, FrameShape, Lexicon, Pairs, Picture, Pixels, Ragged, Spelling
from unrolled.data.ragged import Array
from unrolled.errors import DataError
from unrolled.runs.tasks.pictured import AboutImages
from unrolled.runs.tasks.translate_data import encoded

LONGEST = 1_000  # pieces


class AboutCaptions(AboutImages):
    """The words of the captions, how many the longest has that is learned, and what the images are.

    frame: channels, height and width. mean, deviation: of each channel of what is learned. encoder: what made features
    of the images, if anything; made_by: the SHA-256 of its name, text and weights; features: how many for each place;
    grid: rows and columns of places.
    """

    spelling: Lexicon | Pairs
    longest: int = Field(ge=1, le=LONGEST)
    frame: FrameShape
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    encoder: str | None = None
    made_by: str = ""
    features: int = Field(default=0, ge=0)
    grid: tuple[int, int] | None = None

    @property
    def unit(self) -> str:
        """What losses are counted by."""
        return self.spelling.unit


@dataclass(frozen=True)
class Captioned(Examples):
    """Images, or their features, their captions as ids one behind the other, and as texts.

    inputs: an image `[1, C, height, width]` each, or the features of its places `[S, D]`. pixels: the images, `[N, C,
    height, width]`. wheres: where each stands.
    """

    pixels: Pixels
    texts: tuple[tuple[str, ...], ...]
    wheres: tuple[str, ...]

    def pick(self, rows: Sequence[int] | NDArray[np.int64]) -> Self:
        """Some of them, in that order."""
        texts = tuple(self.texts[int(row)] for row in rows)
        wheres = tuple(self.wheres[int(row)] for row in rows)
        pixels = self.pixels[np.asarray(rows, dtype=np.int64)]
        return replace(super().pick(rows), pixels=pixels, texts=texts, wheres=wheres)

    def said(self, ids: Sequence[NDArray[np.int64]], boundary: int) -> Self:
        """The same images with other captions, as ids; no text belongs to them."""
        targets = Ragged.of(np.append(one, boundary).astype(np.int32) for one in ids)
        return replace(self, targets=targets, texts=((),) * len(self))


def captioned(
    spelling: Spelling, pictures: Sequence[Picture], most: int, features: NDArray[np.float32] | None = None
) -> Captioned:
    """Pictures with captions as ids, each with the boundary behind it; `features` `[N, S, D]` are read in their place.

    Raises:
        DataError: a caption has more than `most` pieces, or none.
    """
    targets = [_targets(spelling, one, most) for one in pictures]
    images = np.stack([one.pixels for one in pictures])
    read: Array = images[:, None] if features is None else features
    count, places = read.shape[:2]
    every = Ragged(read.reshape(count * places, *read.shape[2:]), np.arange(1, count + 1) * places)
    texts, wheres = tuple(one.texts for one in pictures), tuple(one.where for one in pictures)
    return Captioned(every, Ragged.of(targets), images, texts, wheres)


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
    """A file of these images, their features if they have any, and their captions, in safetensors."""
    texts = json.dumps([data.texts, data.wheres]).encode("utf-8")
    arrays = {"images": np.ascontiguousarray(data.pixels), "texts": np.frombuffer(texts, dtype=np.uint8)}
    if data.inputs.values.dtype == np.float32:
        places = data.inputs.values.reshape(len(data), -1, data.inputs.values.shape[1])
        arrays["features"] = np.ascontiguousarray(places)
    return safetensors.numpy.save(arrays)


def read_captions(path: Path, about: AboutCaptions) -> Captioned:
    """What such a file holds.

    Raises:
        DataError: it is none, or holds others than were stored.
    """
    try:
        arrays = safetensors.numpy.load_file(path)
        texts, wheres = json.loads(arrays["texts"].tobytes())
        images, features = arrays["images"], _stored_features(arrays, about)
        fits = images.dtype == np.uint8 and images.shape == (about.examples, *about.frame)
        fits = fits and len(texts) == len(wheres) == about.examples
        if not fits or not all(isinstance(one, str) for of_one in (*texts, wheres) for one in of_one):
            raise ValueError("others than were stored")
        pictures = [Picture(one, tuple(said), where) for one, said, where in zip(images, texts, wheres, strict=True)]
    except (OSError, KeyError, ValueError, TypeError, RecursionError, safetensors.SafetensorError) as error:
        raise DataError(f"{path} holds no captioned images: {error}") from error
    return captioned(about.spelling, pictures, LONGEST, features)


def _stored_features(arrays: Mapping[str, NDArray[Any]], about: AboutCaptions) -> NDArray[np.float32] | None:
    """Those of all images, `[N, S, D]`; None: the images themselves are read.

    Raises:
        KeyError, ValueError: they are not there, or others than were stored.
    """
    if about.grid is None:
        return None
    features: NDArray[np.float32] = arrays["features"]
    shape = about.examples, about.grid[0] * about.grid[1], about.features
    if features.dtype != np.float32 or features.shape != shape or not np.isfinite(features).all():
        raise ValueError("features of another shape or type than were stored")
    return features
