"""Sequences with a label for every step: words in lines, arrays of numbers or frames, videos. Knows files, no ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from unrolled.data.arrays import arrays_of, check_lengths, names_of, single
from unrolled.data.decoding import lines_of
from unrolled.data.images import FrameShape
from unrolled.data.labelled import Labelled, alike
from unrolled.data.sources import Place, Source
from unrolled.data.tables import ending
from unrolled.data.video import frames_of, is_video, labels_beside, labels_of
from unrolled.errors import DataError


def tagged(places: Sequence[Place], frame: FrameShape, *, has_labels: bool = True) -> list[Labelled]:
    """All sequences in these places; words are a text with a word a line.

    An .npz has arrays `x`, numbers `[N, T, C]`, or frames `[N, T, height, width]` or `[N, T, C, height, width]`, and
    `y` `[N, T]`, and `lengths` `[N]` where they differ. A video (.mp4, .avi and so on) is one sequence, its frames
    brought to the shape `frame`; its labels stand beside it, in a .tsv or .txt of its name, one a line. Any other file
    is text: a word, a tab and its label a line, an empty line between sequences. Without `has_labels` no labels are
    read: there are none.

    Raises:
        DataError: nothing there, something else, or words beside numbers; with the file and the line.
        ConfigError: a video, and nothing to read it with.
    """
    sources = [source for place in places for source in place.sources]
    beside = {path for source in sources if is_video(source) for path in labels_beside(source)}
    of_their_own = [source for source in sources if source.path not in beside]
    return alike([one for source in of_their_own for one in _of_source(source, frame, has_labels=has_labels)], places)


def _of_source(source: Source, frame: FrameShape, *, has_labels: bool) -> Iterator[Labelled]:
    if is_video(source):
        frames = frames_of(source, frame)
        yield Labelled(frames, labels_of(source, len(frames)) if has_labels else (), source.name)
    elif ending(source) == ".npz":
        yield from _arrays(source, has_labels=has_labels)
    else:
        yield from _lines(source, has_labels=has_labels)


def _lines(source: Source, *, has_labels: bool) -> Iterator[Labelled]:
    """Words and labels, a line each."""
    words: list[str] = []
    labels: list[str] = []
    start = 0
    for number, line in enumerate([*lines_of(source.blocks(), source.name), ""], 1):
        if line.strip():
            word, label = _word(line, f"{source.name}, line {number}", has_labels=has_labels)
            start = start or number
            words.append(word)
            labels.append(label)
        elif words:
            yield Labelled("\n".join(words), tuple(labels) if has_labels else (), f"{source.name}, line {start}")
            words, labels, start = [], [], 0


def _word(line: str, where: str, *, has_labels: bool) -> tuple[str, str]:
    """A word and its label."""
    word, *rest = (cell.strip() for cell in line.split("\t"))
    if has_labels and (len(rest) != 1 or not rest[0] or not word):
        raise DataError(f"{where}: wanted a word, a tab and its label, got {line[:40]!r}")
    if not word or " " in word:
        raise DataError(f"{where}: wanted one word a line, and an empty line between sequences, got {line[:40]!r}")
    return word, rest[0] if rest else ""


def _arrays(source: Source, *, has_labels: bool) -> Iterator[Labelled]:
    arrays = arrays_of(source, ("x", "y") if has_labels else ("x",), ("lengths",))
    x = arrays["x"][:, :, None] if arrays["x"].ndim == 4 else arrays["x"]
    if x.ndim not in (3, 5) or not x.size:
        raise DataError(f"{source.name}: x is {arrays['x'].shape}: wanted [N, T, C], or frames [N, T, height, width]")
    y = arrays.get("y", np.zeros(x.shape[:2]))
    if y.shape != x.shape[:2]:
        raise DataError(f"{source.name}: y is {y.shape}, and x {x.shape}: wanted a label for each step, {x.shape[:2]}")
    lengths = check_lengths(source, arrays.get("lengths"), len(x), x.shape[1])
    names = names_of(y, source)
    for row, length in enumerate(lengths):
        where = f"{source.name}, example {row}"
        labels = tuple(names[row, :length].tolist()) if has_labels else ()
        yield Labelled(single(x[row, :length], where), labels, where)
