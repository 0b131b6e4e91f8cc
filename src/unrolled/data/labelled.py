"""Sequences with a class: tables of texts, a folder for each class, .ts time series, arrays. Knows files, no ids.

What is read is either text or numbers, the same in all files of a run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unrolled.data.arrays import arrays_of, check_lengths, names_of, single
from unrolled.data.decoding import characters
from unrolled.data.decoding import lines_of as text_lines
from unrolled.data.ragged import Array
from unrolled.data.sources import Place, Source
from unrolled.data.tables import Wanted, check_no_gaps, columns_of, ending, is_table, some_lines_of
from unrolled.errors import DataError

_TEXT = ("text", "sentence", "review", "phrase", "input")
_LABEL = ("label", "class", "sentiment", "target", "category")


@dataclass(frozen=True)
class Labelled:
    """A text, numbers `[T, C]` or frames `[T, C, height, width]`; its labels; where it stands: `"days.tsv, line 12"`.

    Labels are one, its class, or one for each step; none where nobody asked for them.
    """

    value: str | Array
    labels: tuple[str, ...]
    where: str


def labelled(
    places: Sequence[Place], text: Wanted = None, label: Wanted = None, *, has_labels: bool = True
) -> list[Labelled]:
    """All examples in these places.

    A .tsv or .csv is a table with a column of texts and one of labels (`text` and `label` name them, or count them from
    1); a .ts holds time series (sktime's format); an .npz has arrays `x` `[N, T]` or `[N, T, C]` and `y` `[N]`, and
    `lengths` `[N]` where they differ; in a folder, each folder in it is a class, each file in that a text. Without
    `has_labels` no labels are read: there are none.

    Raises:
        DataError: nothing there, something else, or texts beside numbers; with the file and the line.
    """
    found = [one for place in places for one in _of_place(place, (text, label), has_labels=has_labels)]
    return alike(found, places)


def alike(found: list[Labelled], places: Sequence[Place]) -> list[Labelled]:
    """What was found in these places, if it is something, and all of one kind.

    Raises:
        DataError: nothing, texts beside numbers, or steps of different shapes.
    """
    if not found:
        raise DataError(f"{', '.join(place.name for place in places)}: there is no example in it")
    first = found[0]
    for one in found:
        if isinstance(one.value, str) != isinstance(first.value, str):
            raise DataError(f"{one.where} and {first.where}: one is text, the other numbers. Train on one kind")
        if not isinstance(one.value, str) and one.value.shape[1:] != np.shape(first.value)[1:]:
            raise DataError(
                f"{one.where}: a step is {one.value.shape[1:]}, in {first.where} it is {np.shape(first.value)[1:]}: all"
                " need the same channels"
            )
    return found


def _of_place(place: Place, columns: tuple[Wanted, Wanted], *, has_labels: bool) -> Iterator[Labelled]:
    """`columns`: of a text, and of its label."""
    folder = Path(place.name)
    if folder.is_dir() and _has_a_folder_for_each_class(place, folder):
        for source in place.sources:
            yield from _of_class_folder(source, folder, has_labels=has_labels)
        return
    for source in place.sources:
        if ending(source) == ".ts":
            yield from _time_series(source, has_labels=has_labels)
        elif ending(source) == ".npz":
            yield from _arrays(source, has_labels=has_labels)
        else:
            yield from _table(source, columns, has_labels=has_labels)


def _has_a_folder_for_each_class(place: Place, folder: Path) -> bool:
    """Whether nothing but folders stands in it, or nothing that is a table, a series or an array."""
    is_deep = all(len(one.path.relative_to(folder).parts) == 2 for one in place.sources)
    return is_deep or not any(is_table(one) or ending(one) in (".ts", ".npz") for one in place.sources)


def _of_class_folder(source: Source, folder: Path, *, has_labels: bool) -> Iterator[Labelled]:
    """A file in a folder that is called like its class; one that is no text is passed over."""
    inner = source.path.relative_to(folder)
    if len(inner.parts) != 2:
        raise DataError(
            f"{source.name}: in a folder of examples each class is a folder, and each file in it an example:"
            f" {folder}/CLASS/FILE"
        )
    try:
        content = "".join(characters(source.blocks(), source.name)).strip()
    except DataError:
        return
    if not content:
        raise DataError(f"{source.name} is empty: there is nothing to classify in it")
    label = os.fsencode(inner.parts[0]).decode("utf-8", "replace")
    yield Labelled(content, (label,) if has_labels else (), source.name)


def _table(source: Source, columns: tuple[Wanted, Wanted], *, has_labels: bool) -> Iterator[Labelled]:
    lines = some_lines_of(source)
    is_alone = not has_labels and all(len(line.cells) == 1 for line in lines)
    if is_alone and not is_table(source):  # texts alone, a line each
        check_no_gaps(source, lines)
        yield from (Labelled(line.cells[0], (), line.where) for line in lines)
        return
    for line in zip(*columns_of(lines, columns, (_TEXT, _LABEL), has_answers=has_labels), strict=True):
        for one, what in zip(line, ("text", "label"), strict=False):
            if not one.cells[0].strip():
                raise DataError(f"{one.where}: the {what} is empty. Fill it in, or remove the line")
        text, *labels = (one.cells[0] for one in line)
        yield Labelled(text, tuple(one.strip() for one in labels), line[0].where)


def _time_series(source: Source, *, has_labels: bool) -> Iterator[Labelled]:
    """A file .ts: a head with @, then a line a case: channels parted by colons, their numbers by commas, the class."""
    lines = enumerate(text_lines(source.blocks(), source.name), 1)
    told = ((f"{source.name}, line {number}", line.strip()) for number, line in lines)
    kept = ((where, line) for where, line in told if line and not line.startswith("#"))
    has_class = _head(source, kept)
    if has_labels and not has_class:
        raise DataError(f"{source.name}: it says no classes (@classLabel true ...): there is nothing to learn")
    for where, line in kept:
        channels, label = line.split(":"), ""
        if has_class:
            *channels, label = channels
        if not channels or (has_labels and not label.strip()):
            raise DataError(f"{where}: wanted numbers, a colon and the class")
        values = _numbers([one.split(",") for one in channels], where)
        yield Labelled(values, (label.strip(),) if has_labels else (), where)


def _head(source: Source, lines: Iterator[tuple[str, str]]) -> bool:
    """Read the head of a .ts, to @data; whether each case says its class."""
    has_class = False
    for where, line in lines:
        word, rest = (*line.lower().split(None, 1), "")[:2]
        if word == "@data":
            return has_class
        if not word.startswith("@"):
            raise DataError(f"{where}: wanted @data before the first case")
        if word == "@timestamps" and rest.startswith("true"):
            raise DataError(f"{where}: series with time stamps are not read: give values at equal distances")
        has_class = has_class or (word == "@classlabel" and rest.startswith("true"))
    raise DataError(f"{source.name}: it has no @data: it is no .ts file, or it was cut off")


def _numbers(channels: Sequence[Sequence[str]], where: str) -> Array:
    """Channels of numbers as `[T, C]`."""
    lengths = {len(one) for one in channels}
    if len(lengths) > 1:
        raise DataError(f"{where}: its channels have different lengths, {sorted(lengths)}: all need the same")
    try:
        values = np.array(channels, dtype=np.float64).T
    except ValueError as error:
        raise DataError(f"{where}: {str(error).split(': ')[-1]} is no number") from error
    return single(values, where)


def _arrays(source: Source, *, has_labels: bool) -> Iterator[Labelled]:
    arrays = arrays_of(source, ("x", "y") if has_labels else ("x",), ("lengths",))
    x = arrays["x"][..., None] if arrays["x"].ndim == 2 else arrays["x"]
    y = arrays.get("y", np.zeros(len(x)))
    if x.ndim != 3 or y.shape != (len(x),):
        shapes = f"x {arrays['x'].shape}, y {y.shape}"
        raise DataError(f"{source.name}: {shapes} do not fit: wanted x [N, T] or [N, T, C], y [N]")
    lengths = check_lengths(source, arrays.get("lengths"), len(x), x.shape[1])
    for row, (series, label, length) in enumerate(zip(x, names_of(y, source).tolist(), lengths, strict=True)):
        where = f"{source.name}, example {row}"
        yield Labelled(single(series[:length], where), (label,) if has_labels else (), where)
