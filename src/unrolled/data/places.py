"""Where texts are kept between runs. Knows the environment, nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from unrolled.errors import DataError


def cache_folder(name: str) -> Path:
    """A folder for what can be made again: in UNROLLED_CACHE, else where the system keeps such things.

    Raises:
        DataError: nobody knows where that is, since there is no home folder.
    """
    if own := os.environ.get("UNROLLED_CACHE"):
        return Path(own) / name
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(root).expanduser() / "unrolled" / name
    except RuntimeError as error:
        raise DataError("there is no home folder to keep texts in: set UNROLLED_CACHE to a folder") from error
