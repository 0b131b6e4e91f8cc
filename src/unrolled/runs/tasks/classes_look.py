"""What is seen in a classifier or a tagger while it reads: units that tell the class, gates, gradients."""

from __future__ import annotations

from functools import partial

import numpy as np

from unrolled.data import Examples, Lexicon
from unrolled.inspection import Label, account_of
from unrolled.inspection import open as opened
from unrolled.models import SequenceModel
from unrolled.runs.tasks.classes_examples import examples_shown
from unrolled.runs.tasks.classes_pictures import pictures_of, sentences_of
from unrolled.runs.tasks.examples_look import to_be_read, written
from unrolled.runs.tasks.kind import Asked, Seen

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
    examples = to_be_read(examples, asked.most)
    lengths = examples.inputs.lengths.tolist()
    batch = examples.batch(np.arange(len(examples)))
    labels = _labels(classes, examples)
    symbols = [] if lexicon is None else _symbols(lexicon, examples)
    inputs = (batch.inputs, batch.lengths)
    made = account_of(opened(model), *inputs, symbols=symbols, labels=labels, lengths=lengths, say=asked.say)
    asked.say("single examples")
    step = lexicon.unit if lexicon is not None else "frame" if examples.inputs.values.ndim > 2 else "step"
    shown = examples_shown(model, examples, lexicon, step)
    return Seen(
        f"{name}, {len(examples)} examples",
        sum(lengths),
        made,
        told=sentences_of(shown, classes, answer),
        pictures=partial(pictures_of, shown, classes, answer),
    )


def _symbols(lexicon: Lexicon, examples: Examples) -> list[str]:
    """What each step of them is, in letters."""
    texts = ([lexicon.entries[one] for one in examples.inputs[row]] for row in range(len(examples)))
    return [symbol for text in texts for symbol in written(text, lexicon.unit)]


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
