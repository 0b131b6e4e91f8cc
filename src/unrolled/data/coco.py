"""Captions in the JSON of MS COCO: which image has which. Knows names of files, no pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from unrolled.data.decoding import characters
from unrolled.data.sources import Source
from unrolled.errors import DataError

_WANTED = "COCO's captions: images with id and file_name, annotations with image_id and caption (to predict: images)"


def captions_of(source: Source, *, has_texts: bool = True) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """The file name of each image that has captions, these, and where they stand; without `has_texts` of every image.

    Raises:
        DataError: other JSON, with the place where it differs.
    """
    try:
        found = json.loads("".join(characters(source.blocks(), source.name)))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source.name} is no JSON ({error}): wanted {_WANTED}") from error
    parts = ("images", "annotations") if has_texts else ("images",)
    if not isinstance(found, dict) or not all(isinstance(found.get(one), list) for one in parts):
        raise DataError(f"{source.name}: wanted {_WANTED}")
    names: dict[Any, tuple[str, str]] = {}
    for number, image in enumerate(found["images"]):
        where = f"{source.name}, images[{number}]"
        key = _field(image, "id", int | str, where)
        if key in names:
            raise DataError(f"{where}: its id {key!r} is that of another image: give each its own")
        names[key] = _field(image, "file_name", str, where), where
    if not has_texts:
        yield from ((name, (), where) for name, where in names.values())
        return
    captions: dict[Any, list[str]] = {}
    for number, one in enumerate(found["annotations"]):
        where = f"{source.name}, annotations[{number}]"
        key = _field(one, "image_id", int | str, where)
        if key not in names:
            raise DataError(f"{where}: there is no image whose id is {key!r}: remove the caption, or add the image")
        captions.setdefault(key, []).append(_field(one, "caption", str, where))
    for key, texts in captions.items():
        yield names[key][0], tuple(texts), names[key][1]


def _field(one: Any, name: str, kind: Any, where: str) -> Any:
    """A value that is wanted in an object.

    Raises:
        DataError: it is not there, or something else.
    """
    if not isinstance(one, Mapping) or name not in one:
        there = f"it has {', '.join(map(repr, list(one)[:10]))}" if isinstance(one, Mapping) else "it is no object"
        raise DataError(f"{where}: {name!r} is missing ({there}): wanted {_WANTED}")
    value = one[name]
    is_text = isinstance(value, str)
    if not isinstance(value, kind) or isinstance(value, bool) or (is_text and not _can_be_written(value)):
        raise DataError(f"{where}: its {name} is {str(value)[:40]!a}: wanted {_WANTED}")
    return value


def _can_be_written(text: str) -> bool:
    """Whether there is something in a text, and no half of a character."""
    return bool(text.strip()) and text.encode("utf-8", "replace").decode("utf-8") == text


def image_beside(source: Source, folder: Path | None, name: str) -> Path:
    """Where an image of that name lies: in `folder`, or beside the file that names it, or in a folder there.

    COCO keeps `annotations/captions_val2014.json` beside `val2014/`, so the folders beside a file's own are looked
    through, too, and those whose names stand in its own come first.
    """
    if folder is not None:
        return folder / name
    home = source.path.parent
    near = [home, home / "images", *(one for one in _folders(home.parent) if one.name in source.path.stem)]
    return next((one / name for one in near if _is_file(one / name)), home / name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


@lru_cache(maxsize=8)
def _folders(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(sorted(one for one in folder.iterdir() if one.is_dir()))
    except OSError:
        return ()
