"""A report becomes a file. Knows what may be replaced by it, nothing of what is in it."""

from __future__ import annotations

from pathlib import Path

from unrolled import files
from unrolled.errors import ConfigError


def check_place(place: Path) -> None:
    """Check that a report may be written there: in a folder, and in the place of an older one at most.

    Raises:
        ConfigError: there is no such folder, or something else lies there.
    """
    if not place.parent.is_dir():
        raise ConfigError(f"the report cannot be written to {place}: there is no such folder. Give another place, -o")
    if place.exists() and not _is_report(place):
        raise ConfigError(f"{place} is there, and is no report: give another place, -o")


def write_report(place: Path, page: str) -> None:
    """Write a page of `inspection.page` to a file.

    Raises:
        ConfigError: it cannot be written, or something else lies there.
    """
    check_place(place)
    try:
        files.replace({place: page.encode("utf-8", "replace")})
    except OSError as error:
        told = f"{error.strerror}. Give another place, -o"
        raise ConfigError(f"the report cannot be written to {place}: {told}") from error


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return path.is_file() and b'content="Unrolled"' in file.read(1000)
    except OSError:
        return False
