"""Where texts are kept between runs. Knows the environment, nothing else."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """A folder for what can be made again: in UNROLLED_CACHE, else where the system keeps such things."""
    if own := os.environ.get("UNROLLED_CACHE"):
        return Path(own) / name
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "unrolled" / name
