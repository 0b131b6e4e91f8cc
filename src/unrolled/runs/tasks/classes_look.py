"""What is seen in a classifier or a tagger while it reads: units that tell the class, gates, gradients."""

from __future__ import annotations

from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from unrolled.data import Examples, Lexicon
from unrolled.errors import ConfigError
from unrolled.inspection import Label, account_of
from unrolled.inspection import open as opened
from unrolled.models import SequenceModel
from unrolled.runs.tasks.classes_examples import examples_shown
from unrolled.runs.tasks.classes_pictures import pictures_of, sentences_of
from unrolled.runs.tasks.kind import Asked, Seen

_MOST = 20_000  # steps: each is kept for every unit of every value, padding included
_LEAST = 10
_CLASSES = 12  # that are looked for


def look_at_classes(
    classes: tuple[str, ...],
    lexicon: Lexicon | None,
    examples: Examples,
    model: SequenceModel,
    name: str,
    answer: str,
    asked: Asked,
) -> Seen:
    """Look at a model while it reads these examples, or as many as do not become too many steps.

    answer: what a class is called.
    """
    if asked.most < _LEAST:
        raise ConfigError(f"{asked.most} steps are too few to see anything: give at least {_LEAST}")
    examples = examples.pick(_fitting(examples, min(asked.most, _MOST)))
    lengths = examples.inputs.lengths.tolist()
    batch = examples.batch(np.arange(len(examples)))
    labels = _labels(classes, examples)
    symbols = [] if lexicon is None else list(chain.from_iterable(_written(lexicon, one) for one in _rows(examples)))
    inputs = (batch.inputs, batch.lengths)
    made = account_of(opened(model), *inputs, symbols=symbols, labels=labels, lengths=lengths, say=asked.say)
    asked.say("single examples")
    step = lexicon.unit if lexicon is not None else "frame" if examples.inputs.values.ndim > 2 else "step"
    shown = examples_shown(model, examples, lexicon, len(classes), step)
    return Seen(
        f"{name}, {len(examples)} examples",
        sum(lengths),
        made,
        told=sentences_of(shown, classes, answer),
        pictures=partial(pictures_of, shown, classes, answer),
    )


def _fitting(examples: Examples, most: int) -> NDArray[np.int64]:
    """Which examples are read: as many as have at most so many steps, padded; one at least.

    They are drawn from all, always the same: a file may have one class after the other.
    """
    order = np.random.default_rng(0).permutation(len(examples))
    longest = np.maximum.accumulate(examples.inputs.lengths[order])
    fitting = int((longest * np.arange(1, len(examples) + 1) <= most).sum())
    return np.sort(order[: max(1, fitting)])


def _rows(examples: Examples) -> list[list[int]]:
    return [examples.inputs[row].tolist() for row in range(len(examples))]


def _written(lexicon: Lexicon, ids: list[int]) -> list[str]:
    """The pieces of an example, each with what parts it from the next; the last one ends the line."""
    space = "" if lexicon.pieces == "characters" else " "
    pieces = [lexicon.entries[one] + space for one in ids]
    return [*pieces[:-1], pieces[-1] + "\n"]


def _labels(classes: tuple[str, ...], examples: Examples) -> list[Label]:
    """Of each class, whether a step is of it, or in an example of it; and how far each step is from the end."""
    of_steps = len(examples.targets.values) == len(examples.inputs.values)
    truth = examples.targets.values if of_steps else np.repeat(examples.targets.values, examples.inputs.lengths)
    what = "at a step of the class" if of_steps else "in an example of the class"
    left = np.concatenate([np.arange(length, 0, -1) for length in examples.inputs.lengths])
    found = [
        Label(f"class {name}", f"{what} {name}", (truth == place).astype(np.float64))
        for place, name in enumerate(classes[:_CLASSES])
    ]
    ends = Label("end", "how far the example's end is", left.astype(np.float64))
    return [one for one in (*found, ends) if one.varies]
