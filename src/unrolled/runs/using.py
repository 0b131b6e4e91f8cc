"""The verbs "sample", "evaluate" and "predict": what a run can do once it is trained. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from os import PathLike
from types import MappingProxyType
from typing import Any

import torch

from unrolled.data import Named, as_names
from unrolled.errors import ConfigError
from unrolled.generation import Precision, Strategy, generate
from unrolled.inspection import Change, intervene
from unrolled.models import LanguageModel
from unrolled.runs.folder import RunFolder
from unrolled.runs.loading import loaded
from unrolled.runs.tasks import Prediction, Score
from unrolled.training import check_seed

Warn = Callable[[str], None]


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
    average: int = 0,
    warn: Warn = lambda _: None,
) -> Iterator[str]:
    """What a run writes after the prompt, piece by piece as it becomes known; the same for the same seed.

    `length` counts symbols. Without a prompt the first symbol is drawn evenly from the vocabulary. `precision`: of the
    matrices, "float32" (the model's own), "bf16" or "int8": see `engine.Decoder`. `changes`: what is clamped, scaled or
    shifted within the network while it reads and writes, by address: see `inspection.intervene`. `best`, `average`:
    which weights, see `load`.

    Raises:
        AddressError, ShapeError: a change of a value that there is not, or that does not fit it.
        RunError: not a run. DataError: a prompt with unknown characters. ConfigError: a negative length or seed, or a
            precision that needs the native engine where it cannot run.
    """
    if length < 0:
        raise ConfigError(f"length {length}: give the number of characters to write, 0 or more")
    check_seed(seed)
    run = loaded(path, best=best, average=average, warn=warn)
    if not isinstance(run.model, LanguageModel):
        raise ConfigError(f"{path} does not write text: it was trained with --task {run.config.task}")
    ids = run.vocabulary.encode_known(prompt, "the prompt")
    decoder = run.vocabulary.decoder()
    with intervene(run.model, changes):
        for one in generate(run.model, ids, length, strategy, torch.Generator().manual_seed(seed), precision):
            if text := decoder(one):
                yield text
    yield decoder(None)


def evaluate(
    path: str | PathLike[str],
    places: Named = (),
    *,
    best: bool = False,
    average: int = 0,
    warn: Warn = lambda _: None,
    **options: Any,
) -> Score:
    """How good a run is on the data in a file, a folder or a pattern ("-": standard input), or in several.

    Without any: on what was held out of its own data.

    `best`, `average`: which weights, see `load`. `options`: in the place of those that it was trained with, where they
    say how it is used: `beam=1`.

    Raises:
        RunError: not a run. ConfigError: another option, or no data where nothing was held out. DataError: none that it
            can be measured by.
    """
    run = loaded(path, best=best, average=average, warn=warn)
    own = partial(RunFolder.at(run.path).data, run.identity)
    names = as_names(places)
    return run.identity.kind.evaluate(run.used(options, reads=bool(names)), run.about, own, run.model, names)


def predict(
    path: str | PathLike[str],
    places: Named,
    *,
    best: bool = False,
    average: int = 0,
    warn: Warn = lambda _: None,
    **options: Any,
) -> Iterator[Prediction]:
    """What a run says of the data in a file, a folder or a pattern ("-": standard input), one by one.

    `best`, `average`, `options`: see `evaluate`.

    Raises:
        RunError: not a run. ConfigError: one that says nothing of data, an option that it has no use for, or no data.
        DataError: none that it can read.
    """
    names = as_names(places)
    if not names:
        raise ConfigError("there is nothing to say anything of: name a file, a folder or a pattern")
    run = loaded(path, best=best, average=average, warn=warn)
    yield from run.identity.kind.predict(run.used(options, reads=True), run.about, run.model, names)
