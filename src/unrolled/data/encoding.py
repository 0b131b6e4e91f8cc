"""From places to stored ids: surveyed once, encoded once, kept in a cache by content. Never holds a whole text.

A text is read twice: the survey finds its symbols and its SHA-256, the encoding writes its ids and checks that it is
still the text that was surveyed. What was encoded before is found by that SHA-256 and not encoded again.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unrolled import files
from unrolled.data import decoding
from unrolled.data.places import cache_folder
from unrolled.data.sources import Place, Source
from unrolled.data.stored import Ids, StoredIds, Text
from unrolled.data.subwords import Pairs, Words
from unrolled.data.vocabulary import SeenSymbols, Symbols, Tokens, Unseen, Vocabulary
from unrolled.errors import DataError

Mix = Literal["concatenated", "proportional"]

_FORMAT = 1
_PATIENCE = 60.0  # seconds to wait while another process stores a text: a change of a name
_IN_MEMORY = 64 << 20  # bytes: a smaller text is read into memory at once
_LEARNED_FROM = 64 << 20  # characters at most, from which words and pairs are counted


class TextFile(BaseModel):
    """What a stored text is: its name, how many symbols each part has, and the SHA-256 of its ids.

    `width`: bytes of an id; `files`: how many were read; `skipped`: how many were no text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    files: int = Field(ge=0)
    skipped: int = Field(ge=0)
    width: int = Field(ge=1, le=4)
    parts: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    kinds: int = Field(ge=0, description="different symbols that occur")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    def to_json(self) -> bytes:
        """To be read back by pydantic; a name that is no UTF-8 is kept readable."""
        return (
            self.model_copy(update={"name": os.fsencode(self.name).decode("utf-8", "replace")})
            .model_dump_json()
            .encode()
        )


@dataclass(frozen=True)
class Encoded:
    """A text as ids on the disk."""

    about: TextFile
    vocabulary: Vocabulary
    path: Path
    unseen: Unseen = field(default_factory=Counter)

    def texts(self) -> list[Text]:
        """The ids of each part."""
        return texts_of(self.path, self.about)


def texts_of(path: Path, about: TextFile) -> list[Text]:
    """The ids of each part of a stored text; a small one is read into memory.

    Raises:
        DataError: the file is missing, or has another size.
    """
    stored: Text = StoredIds.at(path, about.width, sum(about.parts))
    if len(stored) * about.width <= _IN_MEMORY:
        stored = np.asarray(stored)
    ends = np.cumsum([0, *about.parts]).tolist()
    return [stored[start:stop] for start, stop in pairwise(ends)]


def encode(places: Sequence[Place], tokens: Tokens, vocab_size: int, mix: Mix) -> Encoded:
    """The ids of these texts with a vocabulary of their own, from the cache where they are there already.

    Raises:
        DataError: no text in a place, one that cannot be read, or one that changed meanwhile.
        ConfigError: words or pairs, and the library for them is missing.
    """
    surveys = [_survey(place, wants_text=tokens != "bytes") for place in places]
    folder = _texts_folder() / _key(surveys, tokens, vocab_size, mix)
    if (known := _from_cache(folder, surveys)) is not None:
        return known
    vocabulary = _vocabulary(surveys, tokens, vocab_size, joined=mix == "concatenated")
    with _storing(folder.parent), tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        new = Path(temporary) / "text"
        files.make_folder(new)
        made = _encode(surveys, vocabulary, mix, new / "text.bin")
        files.write(new / "vocabulary.json", [vocabulary.to_json().encode("utf-8", "surrogatepass")])
        files.write(new / "text.json", [made.about.to_json()])
        files.sync(new)
        return _published(made, folder, surveys)


def encode_with(places: Sequence[Place], vocabulary: Vocabulary, folder: Path) -> Encoded:
    """The ids of these texts, concatenated, with a vocabulary that is given; stored in that folder."""
    surveys = [_survey(place, wants_text=vocabulary.tokens != "bytes") for place in places]
    return _encode(surveys, vocabulary, "concatenated", folder / "text.bin")


@dataclass(frozen=True)
class _Surveyed:
    """A file that is text: its SHA-256, its symbols, its last byte."""

    source: Source
    sha256: str
    codes: Ids
    ends_line: bool


@dataclass(frozen=True)
class _Survey:
    """The files of a place that are text, and how many others there are."""

    place: Place
    files: list[_Surveyed]
    skipped: int


def _survey(place: Place, *, wants_text: bool) -> _Survey:
    found = [_look_at(source, wants_text=wants_text or source.optional) for source in place.sources]
    kept = [one for one in found if one is not None]
    if not kept:
        raise DataError(
            f"{place.name}: none of its {len(found)} files is UTF-8 text. Name a text file, or use --tokens bytes on"
            " one file"
        )
    return _Survey(place, kept, len(found) - len(kept))


def _look_at(source: Source, *, wants_text: bool) -> _Surveyed | None:
    """Read a file once. None: it stands in a folder and is no text (empty, not UTF-8, or with NUL)."""
    digest, symbols, last = hashlib.sha256(), SeenSymbols(), b""

    def noted() -> Iterator[bytes]:
        nonlocal last
        for block in source.blocks():
            if source.optional and b"\0" in block:
                raise DataError("NUL")
            digest.update(block)
            last = block[-1:]
            yield block

    try:
        for text in decoding.characters(noted(), source.name) if wants_text else noted():
            if isinstance(text, str):
                symbols.add(text)
    except DataError:
        if source.optional:
            return None
        raise
    is_empty = not last or (wants_text and not len(symbols.codes()))  # (a byte order mark is no symbol)
    if is_empty and not source.optional:
        raise DataError(f"{source.name} is empty: there is nothing to read in it")
    return None if is_empty else _Surveyed(source, digest.hexdigest(), symbols.codes(), last == b"\n")


def _vocabulary(surveys: Sequence[_Survey], tokens: Tokens, vocab_size: int, *, joined: bool) -> Vocabulary:
    every = [file for survey in surveys for file in survey.files]
    match tokens:
        case "bytes":
            return Symbols.all_bytes()
        case "characters":
            seen = SeenSymbols()
            for file in every:
                seen.add_codes(file.codes)
            if joined and not all(file.ends_line for file in every[:-1]):
                seen.add("\n")
            return seen.vocabulary()
        case "words":
            return Words.of(_lines(every), vocab_size)
        case "pairs":
            return Pairs.of(_lines(every), vocab_size)


def _lines(every: Iterable[_Surveyed]) -> Iterator[str]:
    """The characters from which words and pairs are counted."""
    left = _LEARNED_FROM
    for file in every:
        for text in decoding.whole_lines(decoding.characters(file.source.blocks(), file.source.name)):
            yield text[:left]
            left -= len(text)
            if left <= 0:
                return


def _encode(surveys: Sequence[_Survey], vocabulary: Vocabulary, mix: Mix, path: Path) -> Encoded:
    counts: list[int] = []
    unseen: Unseen = Counter()
    occurring = np.zeros(len(vocabulary), dtype=bool)
    parts = [[file for survey in surveys for file in survey.files]]
    if mix == "proportional":
        parts = [survey.files for survey in surveys]

    def blocks() -> Iterator[bytes]:
        for part in parts:
            counts.append(0)
            for ids, lacking in _ids_of(part, vocabulary):
                unseen.update(lacking)
                counts[-1] += len(ids)
                occurring[ids] = True
                yield ids.tobytes()

    digest = files.write(path, blocks())
    about = TextFile(
        name=", ".join(survey.place.name for survey in surveys),
        files=sum(len(survey.files) for survey in surveys),
        skipped=sum(survey.skipped for survey in surveys),
        width=vocabulary.width,
        parts=tuple(counts),
        kinds=int(occurring.sum()),
        sha256=digest,
    )
    return Encoded(about, vocabulary, path, unseen)


def _ids_of(part: Sequence[_Surveyed], vocabulary: Vocabulary) -> Iterator[tuple[Ids, Unseen]]:
    """The ids of files one after the other; each ends with a newline if another follows."""
    for place, file in enumerate(part):
        is_last = place == len(part) - 1
        ending = [] if is_last or file.ends_line else [b"\n"]
        yield from vocabulary.encode_blocks(chain(_unchanged(file), ending), file.source.name)


def _unchanged(file: _Surveyed) -> Iterator[bytes]:
    """The bytes of a file, if they are those that were surveyed."""
    digest = hashlib.sha256()
    for block in file.source.blocks():
        digest.update(block)
        yield block
    if digest.hexdigest() != file.sha256:
        raise DataError(f"{file.source.name} changed while it was read: wait until it is complete, and start again")


def _key(surveys: Sequence[_Survey], tokens: Tokens, vocab_size: int, mix: Mix) -> str:
    """What a text is in the cache: a hash of its content and of the way it is encoded."""
    content = [[[file.sha256 for file in survey.files] for survey in surveys]]
    size = vocab_size if tokens in ("words", "pairs") else 0
    return hashlib.sha256(json.dumps([_FORMAT, tokens, size, mix, content]).encode()).hexdigest()


def _from_cache(folder: Path, surveys: Sequence[_Survey]) -> Encoded | None:
    """What was encoded before; None if it is not there, or not as it was written."""
    try:
        about = TextFile.model_validate_json(files.read(folder / "text.json", limit=1 << 20))
        vocabulary = read_vocabulary(files.read(folder / "vocabulary.json", limit=1 << 28))
        if files.sha256(folder / "text.bin") != about.sha256:
            return None
    except (OSError, ValidationError, DataError):
        return None
    name = ", ".join(survey.place.name for survey in surveys)
    return Encoded(about.model_copy(update={"name": name}), vocabulary, folder / "text.bin")


def read_vocabulary(content: bytes) -> Vocabulary:
    """A vocabulary from what `Vocabulary.to_json` gave.

    Raises:
        DataError: it is not one.
    """
    try:
        tokens = json.loads(content).get("tokens")
        if tokens == "words":
            return Words.model_validate_json(content)
        return (Pairs if tokens == "pairs" else Symbols).model_validate_json(content)
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise DataError(f"it is not a vocabulary: {str(error).splitlines()[0]}") from error


def _published(made: Encoded, folder: Path, surveys: Sequence[_Survey]) -> Encoded:
    """Give the folder of a finished text its name in the cache, unless another process was faster with the same."""
    with files.locked(folder.parent, _PATIENCE):
        if (known := _from_cache(folder, surveys)) is not None:
            return known
        if folder.exists():  # damaged
            files.remove(folder)
        files.rename(made.path.parent, folder)
    return replace(made, path=folder / "text.bin")


def _texts_folder() -> Path:
    """The folder of encoded texts; where none can be written, one that lasts as long as the process."""
    with suppress(OSError, DataError):
        folder = cache_folder("texts")
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    passing = Path(tempfile.mkdtemp(prefix="unrolled-"))
    atexit.register(shutil.rmtree, passing, ignore_errors=True)
    return passing


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the encoded text cannot be stored in {folder}: {error.strerror}. Make room there, or set"
            " UNROLLED_CACHE to another folder"
        ) from error
