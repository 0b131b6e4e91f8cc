"""Images and what belongs to them, captions or labels: arrays, tables, folders, COCO's JSON. Knows files, no ids."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.arrays import arrays_of, names_of
from unrolled.data.coco import captions_of, image_beside
from unrolled.data.images import Fit, FrameShape, Pixels, fitted
from unrolled.data.ragged import Array
from unrolled.data.sources import Place, Source
from unrolled.data.tables import Wanted, columns_of, ending, is_table, some_lines_of
from unrolled.errors import DataError, NoAnswerError

_IMAGE = ("image", "file", "file_name", "filename", "path")
_TEXT = ("caption", "text", "label", "description", "class")
_ENDINGS = (".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_LARGEST = 1 << 28  # bytes of a file
_MOST = 1 << 32  # bytes of all images
_COLOURS = (1, 3, 4)  # channels that images have
_STACKED = 3  # dimensions of grey images, [N, height, width]


@dataclass(frozen=True)
class Picture:
    """An image, uint8 `[C, height, width]`, and where it stands: `"cats.tsv, line 12: cat.png"`.

    texts: its captions, or its label, or its symbols parted by spaces; none where nobody asked for any. is_cut:
    whether it lost something at its sides. is_class: whether its text is the name of its folder, spaces and all.
    """

    pixels: Pixels
    texts: tuple[str, ...]
    where: str
    is_cut: bool = False
    is_class: bool = False


@dataclass(frozen=True)
class _Listed:
    """A file of an image that somebody names."""

    path: Path
    texts: tuple[str, ...]
    where: str
    is_class: bool = False


def pictures(
    places: Sequence[Place],
    shape: FrameShape,
    image: Wanted = None,
    text: Wanted = None,
    folder: Path | None = None,
    *,
    fit: Fit = "crop",
    has_texts: bool = True,
) -> list[Picture]:
    """All images in these places.

    A .tsv or .csv is a table with a column of files and one of texts (`image` and `text` name them, or count them from
    1); a file that stands in several lines has several texts. A .json is COCO's of captions. Files are named as seen
    from `folder`, or else from the file that names them. In a folder each folder is a label, each image in it has that;
    without `has_texts` all images in it count, and a single file is one. An .npz has arrays `x`, uint8 `[N, height,
    width]` or `[N, C, height, width]`, and `y`, `[N]` or `[N, U]`: a text, or so many symbols for each.

    Args:
        places: where they are.
        shape: to which files of images are brought: channels, height, width. Those of an .npz stay as they are.
        image: the column of files.
        text: the column of texts.
        folder: in which the files lie that are named.
        fit: how a file whose sides have another ratio is brought to the shape: see `images.fitted`.
        has_texts: whether texts are wanted.

    Raises:
        DataError: nothing there, something else, images of several shapes; with the file and the line.
        ConfigError: files of images, and nothing to read them with.
    """
    found: list[Picture] = []
    size = 0
    for one in _of_places(places, partial(_decoded, shape=shape, fit=fit), (image, text), folder, has_texts=has_texts):
        found.append(one)
        if one.pixels.shape != found[0].pixels.shape:
            raise DataError(
                f"{one.where} is {one.pixels.shape} (channels, height, width), {found[0].where}"
                f" {found[0].pixels.shape}: all need the same"
            )
        size += one.pixels.size
        if size > _MOST:
            raise DataError(f"these are more than {_MOST:,} bytes of images: give fewer, or a smaller --image-size")
    if not found:
        raise DataError(
            f"{', '.join(place.name for place in places)}: there is no image in it. Those in a folder end with"
            f" {', '.join(_ENDINGS)}"
        )
    return found


def name_images(places: Sequence[Place]) -> bool:
    """Whether something in these places names files of images: a table, or COCO's .json."""
    return any(is_table(one) or ending(one) == ".json" for place in places for one in place.sources)


def are_arrays(places: Sequence[Place]) -> bool:
    """Whether all that is read in these places are arrays: images that stay as they are."""
    return all(ending(one) == ".npz" for place in places for one in place.sources)


def passed_over(places: Sequence[Place], *, has_texts: bool = True) -> int:
    """How many files in folders `pictures` leaves alone that are no images: their endings say so."""
    kept = {one for place in places for one in _worth_reading(place, has_texts=has_texts)}
    every = {one for place in places for one in place.sources if ending(one) not in _ENDINGS}
    return len(every - kept)


def _of_places(
    places: Sequence[Place],
    decoded: Callable[[_Listed], Picture],
    columns: tuple[Wanted, Wanted],
    folder: Path | None,
    *,
    has_texts: bool,
) -> Iterator[Picture]:
    known: dict[Path, str] = {}  # (an image that stands twice would be learned and held out at once)
    for place in places:
        for source in _worth_reading(place, has_texts=has_texts):
            if ending(source) == ".npz":
                yield from _arrays(source, has_texts=has_texts)
                continue
            for one in _listed(place, source, columns, folder, has_texts=has_texts):
                before = known.setdefault(one.path.resolve(), one.where)
                if has_texts and before != one.where:
                    raise DataError(
                        f"{one.where} and {before} are about the same image, {one.path}: name it once, or in one"
                        " table alone, in the same way in all of its lines"
                    )
                yield decoded(one)


def _worth_reading(place: Place, *, has_texts: bool) -> Sequence[Source]:
    """The files of a place that are read: of those that name images in a folder, none of the images themselves."""
    naming = [one for one in place.sources if is_table(one) or ending(one) in (".json", ".npz")]
    if naming and len(naming) < len(place.sources) and has_texts:
        return naming
    if not any(one.optional for one in place.sources):
        return place.sources
    return [one for one in place.sources if ending(one) in _ENDINGS] or naming


def _listed(
    place: Place, source: Source, columns: tuple[Wanted, Wanted], folder: Path | None, *, has_texts: bool
) -> Iterator[_Listed]:
    """The images that a file names; an image names itself."""
    if ending(source) == ".json":
        for name, texts, where in captions_of(source, has_texts=has_texts):
            yield _Listed(_existing(image_beside(source, folder, name), where), texts, where)
    elif is_table(source):
        yield from _table(source, columns, folder, has_texts=has_texts)
    elif not has_texts:
        yield _Listed(source.path, (), source.name)
    else:
        yield _Listed(source.path, (_label(place, source),), source.name, is_class=True)


def _label(place: Place, source: Source) -> str:
    """What the folder is called in which an image lies.

    Raises:
        NoAnswerError: it lies in none, or is no image.
    """
    folder = Path(place.name)
    inner = source.path.relative_to(folder) if folder.is_dir() else Path(source.path.name)
    if len(inner.parts) < 2 or ending(source) not in _ENDINGS:
        raise NoAnswerError(
            f"{source.name}: nothing says what belongs to it: give a table (.tsv, .csv) of images and texts, COCO's"
            " .json, an .npz of x and y, or a folder with a folder for each label"
        )
    return os.fsencode(inner.parts[-2]).decode("utf-8", "replace")


def _table(
    source: Source, columns: tuple[Wanted, Wanted], folder: Path | None, *, has_texts: bool
) -> Iterator[_Listed]:
    """The images of a table in the order of their first lines, each with the texts of all its lines."""
    base = source.path.parent if folder is None else folder
    lines = columns_of(some_lines_of(source), columns, (_IMAGE, _TEXT), has_answers=has_texts)
    texts: dict[str, list[str]] = {}
    wheres: dict[str, str] = {}
    for line in zip(*lines, strict=True):
        name, *told = (one.cells[0].strip() for one in line)
        for value, what in ((name, "name of the image"), *((one, "text") for one in told)):
            if not value:
                raise DataError(f"{line[0].where}: the {what} is empty. Fill it in, or remove the line")
        wheres.setdefault(name, line[0].where)
        texts.setdefault(name, []).extend(told)
    for name, told in texts.items():
        yield _Listed(_existing(base / name, wheres[name]), tuple(told), wheres[name])


def _existing(path: Path, where: str) -> Path:
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):  # a name that no file can have
        pass
    raise DataError(
        f"{where}: there is no image {path}: mend its name, or say with --image-folder in which folder the images lie"
    )


def _decoded(one: _Listed, shape: FrameShape, fit: Fit) -> Picture:
    name = str(one.path)
    if (size := one.path.stat().st_size) > _LARGEST:
        raise DataError(f"{one.where}: {name} has {size:,} bytes, at most {_LARGEST:,} are read: give a smaller image")
    source = Source(one.path, name if name in one.where else f"{one.where}: {name}")
    pixels, fits = fitted(b"".join(source.blocks()), source.name, shape, fit)
    is_cut = fit == "crop" and not fits
    return Picture(pixels, one.texts, source.name + " (its sides were cut)" * is_cut, is_cut, one.is_class)


def _arrays(source: Source, *, has_texts: bool) -> Iterator[Picture]:
    arrays = arrays_of(source, ("x", "y") if has_texts else ("x",), ())
    x = arrays["x"][:, None] if arrays["x"].ndim == _STACKED else arrays["x"]
    if x.ndim > _STACKED and x.shape[3] in _COLOURS and x.shape[1] not in _COLOURS:
        raise DataError(
            f"{source.name}: x is {x.shape}, it seems with colours last: wanted [N, C, height, width]. Write"
            " x.transpose(0, 3, 1, 2)"
        )
    if x.ndim != _STACKED + 1 or x.dtype != np.uint8:
        raise DataError(
            f"{source.name}: x is {arrays['x'].dtype} {arrays['x'].shape}: wanted images, uint8 [N, height, width] or"
            " [N, C, height, width], from 0 to 255"
        )
    texts = _texts(source, arrays["y"], len(x)) if has_texts else [()] * len(x)
    for row, (pixels, one) in enumerate(zip(x, texts, strict=True)):
        yield Picture(pixels, one, f"{source.name}, example {row}")


def _texts(source: Source, y: Array, count: int) -> list[tuple[Any, ...]]:
    """A text for each, of one value or of several."""
    if y.ndim not in (1, 2) or len(y) != count:
        raise DataError(f"{source.name}: y is {y.shape}, and x has {count:,} images: wanted [N], or [N, U]")
    if not y.size:
        raise DataError(
            f"{source.name}: y is {y.shape}: there are no labels in it. Give each image one, [N], or [N, U]"
        )
    names = names_of(y, source).reshape(count, -1)
    return [(" ".join(one),) for one in names.tolist()]
