"""Images with a label each, as examples. Knows files through `data`, no networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unrolled.data import Examples, FrameShape, Picture, Ragged, found, pictures
from unrolled.errors import DataError
from unrolled.runs.tasks.pictured import check_frame, one_each, shape_of

_FRAME = (1, 32, 32)  # to which files of images are brought; those of an .npz stay as they are
_LISTED = 8  # classes that are named


@dataclass(frozen=True)
class LabelledImages:
    """Images that are learned, and others to measure by, of the same size and of the same classes."""

    learned: Examples
    measured: Examples
    classes: tuple[str, ...]
    frame: FrameShape

    @classmethod
    def read(cls, learned: Sequence[str], measured: Sequence[str]) -> LabelledImages:
        """Those in these places.

        Raises:
            DataError: there are none, or of other sizes, of one class only, without a label or with several, or of a
                class that is not learned; with the file and the line.
        """
        first = _read(learned, _FRAME)
        others = _read(measured, shape_of(first))
        classes = tuple(sorted({_label(one) for one in first}))
        if len(classes) < 2:
            raise DataError(
                f"{', '.join(learned)}: all {len(first):,} have the label {classes[0]!r}: there is nothing to learn."
                " Give images of two or more"
            )
        frame = shape_of(first)
        check_frame(others, frame)
        return cls(_examples(first, classes), _examples(others, classes), classes, frame)


def _read(names: Sequence[str], frame: FrameShape) -> list[Picture]:
    with found(names) as places:
        return pictures(places, frame)


def _label(one: Picture) -> str:
    if len(one.texts) != 1:
        raise DataError(f"{one.where} has {len(one.texts)} texts: give each image one label")
    return one.texts[0]


def _examples(every: Sequence[Picture], classes: tuple[str, ...]) -> Examples:
    """Each image as a sequence of one, and its class's number."""
    numbers = {name: number for number, name in enumerate(classes)}
    for one in every:
        if _label(one) not in numbers:
            more = " ..." if len(classes) > _LISTED else ""
            raise DataError(
                f"{one.where}: the label {_label(one)!r} is not among those learned:"
                f" {', '.join(classes[:_LISTED])}{more}"
            )
    return Examples(
        one_each(every),
        Ragged.of(np.array([numbers[_label(one)]], dtype=np.int32) for one in every),
    )
