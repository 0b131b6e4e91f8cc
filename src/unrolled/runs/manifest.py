"""Folders whose content is known: a manifest says which files lie in one, how large they are, and their SHA-256.

Knows files and hashes, not what they mean. A folder is written under a passing name and then renamed, so what stands
under its own name was written to the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from unrolled import files
from unrolled.errors import RunError
from unrolled.runs.config import validated, without_doubles

NAME = "manifest.json"
_LARGEST = 1 << 20  # bytes that a manifest can have


class FileFacts(BaseModel):
    """What a file must be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """The files of a folder, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    files: dict[str, FileFacts] = Field(max_length=100)

    def to_bytes(self) -> bytes:
        """The one way in which this manifest is written."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True).encode()


def fill_folder(folder: Path, contents: Mapping[str, Iterable[bytes]]) -> None:
    """Write these files into an empty folder, each given in blocks, and a manifest of them; all of it synced."""
    facts = {}
    for name, blocks in contents.items():
        sha256 = files.write(folder / name, blocks)
        facts[name] = FileFacts(size=(folder / name).stat().st_size, sha256=sha256)
    files.write(folder / NAME, [Manifest(files=facts).to_bytes()])
    files.sync(folder)


class CheckedFolder:
    """A folder with its manifest: gives its files only as they were written.

    Raises:
        RunError: the manifest is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        content = _read(folder / NAME, _LARGEST)
        self._facts = validated(Manifest, parsed_json(content, folder / NAME), str(folder / NAME), RunError)
        if self._facts.to_bytes() != content:
            raise RunError(f"{folder / NAME} is damaged: it is not as it was written")

    def holding(self, wanted: Iterable[str]) -> CheckedFolder:
        """The folder, if its manifest names just these files.

        Raises:
            RunError: it names others.
        """
        wanted = set(wanted)
        if set(self._facts.files) != wanted:
            raise RunError(f"{self.folder / NAME} names {sorted(self._facts.files)}, wanted {sorted(wanted)}")
        return self

    def size(self, name: str) -> int:
        """How many bytes a file must have."""
        return self._facts.files[name].size

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file that can have `limit` of them at most.

        Raises:
            RunError: it is missing, too large, or not as it was written.
        """
        if name not in self._facts.files:
            raise RunError(f"{self.folder / NAME} does not name {name}: it is damaged")
        path, facts = self.folder / name, self._facts.files[name]
        if facts.size > limit:
            raise RunError(f"{path} should have {facts.size:,} bytes, more than the {limit:,} that it can have")
        content = _read(path, facts.size)
        if len(content) != facts.size or files.sha256_of(content) != facts.sha256:
            raise RunError(f"{path} is damaged: it is not as it was written (its SHA-256 differs from the manifest's)")
        return content

    def check(self, name: str) -> None:
        """The same for a file that is too large to be held in memory.

        Raises:
            RunError: it is missing, or not as it was written.
        """
        try:
            found = files.sha256(self.folder / name)
        except OSError as error:
            raise _unreadable(self.folder / name, error) from error
        if found != self._facts.files[name].sha256:
            raise RunError(f"{self.folder / name} is damaged: it is not as it was written")


def parsed_json(content: bytes, path: Path) -> dict[str, Any]:
    """A JSON object, in which no key stands twice.

    Raises:
        RunError: it is something else.
    """
    try:
        values = json.loads(content, object_pairs_hook=without_doubles)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    if not isinstance(values, dict):
        raise RunError(f"{path} is damaged: it is not a JSON object")
    return values


def _read(path: Path, limit: int) -> bytes:
    try:
        return files.read(path, limit)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> RunError:
    return RunError(f"the run is incomplete: {path} cannot be read: {error.strerror}")
