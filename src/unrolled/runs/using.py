"""The verbs "sample" and "evaluate": what a run can do once it is trained. Trains nothing."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from unrolled.data import Text, Vocabulary, encode_with, found, reading
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.generation import Precision, Strategy, generate
from unrolled.inspection import Change, intervene
from unrolled.runs.loading import load
from unrolled.training import mean_nats

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Score:
    """How well a run predicts a text, per character (`perplexity`, too: e to the power of `nats_per_char`).

    `chars` are those that were predicted; `unseen` says how often each unknown symbol was left out.
    """

    nats_per_char: float
    bits_per_char: float
    perplexity: float
    chars: int
    unseen: dict[str, int]


_BLOCK = 1 << 20  # ids
_LARGEST_EXPONENT = 700.0  # e to the power of more is no float


def sample(
    path: str | PathLike[str],
    prompt: str = "",
    length: int = 500,
    strategy: Strategy = Strategy(),  # noqa: B008 (frozen)
    seed: int = 1,
    *,
    precision: Precision = "float32",
    changes: Mapping[str, Change | float] = MappingProxyType({}),
    best: bool = False,
    warn: Warn = lambda _: None,
) -> Iterator[str]:
    """What a run writes after the prompt, piece by piece as it becomes known; the same for the same seed.

    `length` counts symbols. Without a prompt the first symbol is drawn evenly from the vocabulary. `precision`: of the
    matrices, "float32" (the model's own), "bf16" or "int8": see `engine.Decoder`. `changes`: what is clamped, scaled or
    shifted within the network while it reads and writes, by address: see `inspection.intervene`.

    Raises:
        AddressError, ShapeError: a change of a value that there is not, or that does not fit it.
        RunError: not a run. DataError: a prompt with unknown characters. ConfigError: a negative length or seed, or a
            precision that needs the native engine where it cannot run.
    """
    if length < 0:
        raise ConfigError(f"length {length}: give the number of characters to write, 0 or more")
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed {seed}: give a whole number, 0 or more, below 2**63")
    run = load(path, best=best)
    for warning in run.warnings:
        warn(warning)
    ids = run.vocabulary.encode_known(prompt, "the prompt")
    decoder = run.vocabulary.decoder()
    with intervene(run.model, changes):
        for one in generate(run.model, ids, length, strategy, torch.Generator().manual_seed(seed), precision):
            if text := decoder(one):
                yield text
    yield decoder(None)


def evaluate(
    path: str | PathLike[str], places: str | Sequence[str], *, best: bool = False, warn: Warn = lambda _: None
) -> Score:
    """How well a run predicts the text in a file, a folder or a pattern ("-": standard input), or in several.

    Raises:
        RunError: not a run. DataError: no text, or one with nothing to predict.
    """
    run = load(path, best=best)
    for warning in run.warnings:
        warn(warning)
    with (
        found([places] if isinstance(places, str) else places) as sources,
        tempfile.TemporaryDirectory(prefix="unrolled-") as folder,
    ):
        text = encode_with(sources, run.vocabulary, Path(folder))
        (ids,) = text.texts()
        unit = run.vocabulary.unit
        if len(ids) < 2:
            raise DataError(
                f"{text.about.name} has {len(ids)} {unit}s that the model knows: at least 2 are needed, one to read and"
                " one to predict"
            )
        chars = _characters(ids[1:], run.vocabulary)
        if chars == 0:
            raise DataError(f"no character begins in {text.about.name}: there is nothing to count losses by")
        nats = mean_nats(run.model, [reading(ids)])
    assert nats is not None, "nobody says stop"
    if not math.isfinite(nats):
        raise RunError(f"the run's model gives no finite numbers on {text.about.name}: its loss is {nats}")
    nats_per_char = nats * (len(ids) - 1) / chars
    perplexity = math.exp(nats_per_char) if nats_per_char < _LARGEST_EXPONENT else math.inf
    return Score(nats_per_char, nats_per_char / math.log(2), perplexity, chars, dict(text.unseen))


def _characters(ids: Text, vocabulary: Vocabulary) -> int:
    """How many characters begin in the text of these ids."""
    blocks = range(0, len(ids), _BLOCK)
    return sum(vocabulary.characters(np.asarray(ids[start : start + _BLOCK])) for start in blocks)
