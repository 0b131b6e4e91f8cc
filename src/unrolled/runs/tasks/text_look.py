"""What a language model reads while it is looked into: what was held out, or a text that the user names."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled import files
from unrolled.data import Text, Vocabulary, encode_with, first, found, split
from unrolled.errors import ConfigError, DataError
from unrolled.inspection import account, labels_of
from unrolled.models import LanguageModel
from unrolled.runs.tasks.kind import Asked, Seen
from unrolled.runs.tasks.text_config import TextConfig

_TRAINING = 5_000_000  # characters of the training text from which n-grams are counted
_LEAST = 1_000  # characters that are read
_LARGEST = 1 << 28  # bytes of a file of numbers

Ids = NDArray[np.int64]


def look_at_text(
    config: TextConfig, name: str, vocabulary: Vocabulary, texts: Sequence[Text], model: LanguageModel, asked: Asked
) -> Seen:
    """What is seen while the model reads.

    Raises:
        ConfigError: its symbols are no characters, or it held nothing out and is given no text. DataError: too little.
    """
    if vocabulary.unit != "character":
        raise ConfigError(f"'look' reads characters, and this run was trained on {vocabulary.unit}s")
    if asked.most < _LEAST:
        raise ConfigError(f"{asked.most} characters are too few to find anything: give at least {_LEAST:,}")
    parts = [split(text, config.val_frac) for text in texts]
    if asked.places:
        name, ids = _read_from(asked.places, vocabulary, asked.most)
    elif config.split != "end" or not config.val_frac:
        raise ConfigError(
            "no piece of this run's text was held out that could be read as a whole: name a text, 'look RUN FILE'"
        )
    else:
        name, ids = f"{name}, held out", first(parts[0][1], asked.most)
    if len(ids) < _LEAST:
        raise DataError(f"{name} has {len(ids):,} characters that the model knows: give at least {_LEAST:,}")
    learned = np.concatenate([first(start, _TRAINING // len(parts)) for start, _ in parts])
    alphabet = [vocabulary.decode([one]) for one in range(len(vocabulary))]
    labels = _labels(asked.labels)
    made = account(model, torch.from_numpy(ids), alphabet, learned, lambda text: labels_of(text, labels), asked.say)
    return Seen(name, len(ids), made)


def _read_from(places: Sequence[str], vocabulary: Vocabulary, characters: int) -> tuple[str, Ids]:
    """The name of a text, and the first of its characters that the model knows."""
    with found(places) as sources, tempfile.TemporaryDirectory(prefix="unrolled-") as scratch:
        text = encode_with(sources, vocabulary, Path(scratch))
        return text.about.name, first(text.texts()[0], characters)


def _labels(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _column(one) if isinstance(one, Path) else one for name, one in given.items()}


def _column(path: Path) -> NDArray[np.float64]:
    """The numbers in a file."""
    try:
        return np.array(files.read(path, _LARGEST).decode().replace(",", " ").split(), dtype=np.float64)
    except OSError as error:
        raise DataError(f"the label in {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"the label in {path} is not made of numbers: {error}") from error
