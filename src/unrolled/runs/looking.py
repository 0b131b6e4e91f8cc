"""The verb "look": what is to be seen inside a run that is trained. Trains nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from unrolled.data import Text, encode_with, found, split
from unrolled.errors import ConfigError, DataError
from unrolled.inspection import Account, account, labels_of
from unrolled.runs.folder import RunFolder
from unrolled.runs.loading import Run, load

_TRAINING = 5_000_000  # characters of the training text from which n-grams are counted
_LEAST = 1_000  # characters that are read


@dataclass(frozen=True)
class Looked:
    """What was seen in a run while it read so many characters of that text."""

    text: str
    characters: int
    account: Account


def look(
    path: str | PathLike[str],
    places: Sequence[str] = (),
    *,
    characters: int = 50_000,
    labels: Mapping[str, Any] = MappingProxyType({}),
    best: bool = False,
    say: Callable[[str], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Looked:
    """Look inside a run while it reads: cells that track something, gates, gradients, and what it has learned.

    Args:
        path: of the run, whose symbols are characters.
        places: files, folders or patterns that it reads; none: what was held out of its own text.
        characters: how many it reads at most.
        labels: of your own, see `inspection.labels_of`.
        best: the weights with the lowest held-out loss.
        say: is told what is going on.
        warn: is told what is to be known of the run.

    Raises:
        RunError: not a run. ConfigError: its symbols are no characters, or it held nothing out and is given no text.
        DataError: too little text.
    """
    run = load(path, best=best)
    for warning in run.warnings:
        warn(warning)
    if run.vocabulary.unit != "character":
        raise ConfigError(f"'look' reads characters, and this run was trained on {run.vocabulary.unit}s")
    if characters < _LEAST:
        raise ConfigError(f"{characters} characters are too few to find anything: give at least {_LEAST:,}")
    folder = RunFolder.at(Path(path))
    about = folder.identity().about
    parts = [split(text, run.config.val_frac) for text in folder.texts(about)]
    if not places and (run.config.split != "end" or not run.config.val_frac):
        raise ConfigError("no piece of this run's text was held out that could be read as a whole: give a text, --text")
    with ExitStack() as opened:
        name, reads = f"{about.name}, held out", parts[0][1]
        if places:
            sources = opened.enter_context(found(places))
            scratch = opened.enter_context(tempfile.TemporaryDirectory(prefix="unrolled-"))
            text = encode_with(sources, run.vocabulary, Path(scratch))
            name, reads = text.about.name, text.texts()[0]
        ids = _numbers(reads, characters)
    if len(ids) < _LEAST:
        raise DataError(f"{name} has {len(ids):,} characters that the model knows: give at least {_LEAST:,}")
    learned = np.concatenate([_numbers(start, _TRAINING // len(parts)) for start, _ in parts])
    written = _written(run, ids)
    every = labels_of(written, labels)
    made = account(run.model, written, torch.from_numpy(ids), every, (_written(run, learned), learned), say)
    return Looked(name, len(ids), made)


def _numbers(text: Text, most: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(text[:most]).astype(np.int64)


def _written(run: Run, ids: np.ndarray[Any, np.dtype[np.int64]]) -> str:
    decoder = run.vocabulary.decoder()
    return "".join([decoder(one) for one in ids.tolist()] + [decoder(None)])
