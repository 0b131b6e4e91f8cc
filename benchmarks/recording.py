"""What it costs to look: a step of training while every gate and state is recorded, and their gradients, too.

    python -m benchmarks.recording [--only 2x512] [--json FILE]

The same trainer all the time, in turns: with nobody looking, with a `Recorder` that is thrown away after each step,
and with one for gradients. "Off" is the step once more, with nobody looking: how far apart equal things are measured.
Before any time, the losses of a recorded training must be those of one that is not, bit for bit.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from benchmarks.measure import WrongAnswerError
from benchmarks.models import Recipe, model_of, recipes, text_for
from benchmarks.report import Report, Row, is_wanted, parser, progress, report
from unrolled import LanguageModel
from unrolled.inspection import Recorder
from unrolled.runs.tasks import text_task
from unrolled.training import Stepped, Trainer

_AT_ONCE = 5  # steps of a turn
_ROUNDS = 8  # turns for each of the rounds that are asked for

Step = Callable[[], float]


def main(words: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(words)
    report("recording", "What it costs to look", options, lambda made: _measure(made, options))


def _measure(made: Report, options: argparse.Namespace) -> None:
    chosen = [one for one in recipes(is_quick=options.quick) if not one.is_bfloat16 and is_wanted(str(one), options)]
    made.table("A step of training", [_row(recipe, options) for recipe in chosen])


def _row(recipe: Recipe, options: argparse.Namespace) -> Row:
    progress(str(recipe))
    _gate(recipe)
    model, step = _trained(recipe)
    ways: dict[str, Step] = {
        "nobody looks": step,
        "off": step,
        "recorded": partial(_recorded, model, step, with_gradients=False),
        "with gradients": partial(_recorded, model, step, with_gradients=True),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(1 if options.quick else options.rounds * _ROUNDS):
        for way, run in ways.items():
            run()
            started = time.perf_counter()
            for _ in range(_AT_ONCE):
                run()
            seconds[way].append((time.perf_counter() - started) / _AT_ONCE)
    ms = {way: 1e3 * statistics.median(times) for way, times in seconds.items()}
    shares = {f"{way}, times as long": ms[way] / ms["nobody looks"] for way in list(ways)[1:]}
    return {"model": recipe.name, **{f"{way}, ms": value for way, value in ms.items()}, **shares}


def _trained(recipe: Recipe) -> tuple[LanguageModel, Step]:
    """A model, and what makes a step of its training."""
    config = recipe.config
    task = text_task(config, model_of(config), [text_for(config)])
    events = Trainer(task, config, rate=lambda _: config.learning_rate).run()
    return task.model, lambda: next(event.loss for event in events if isinstance(event, Stepped))


def _recorded(model: LanguageModel, step: Step, *, with_gradients: bool) -> float:
    recorder = Recorder(model, with_gradients=with_gradients)
    with recorder.recording():
        loss = step()
    seen = recorder.trace()
    if not len(seen) or (seen.gradients is not None and not any(map(torch.any, seen.gradients.values()))):
        raise WrongAnswerError("nothing was recorded")
    return loss


def _gate(recipe: Recipe) -> None:
    losses = []
    for way in ("plain", "recorded", "with gradients"):
        model, step = _trained(recipe)
        run = step if way == "plain" else partial(_recorded, model, step, with_gradients=way == "with gradients")
        losses.append([run() for _ in range(3)])
    if losses[1] != losses[0] or losses[2] != losses[0]:
        raise WrongAnswerError(f"{recipe}: a training that is looked at has other losses: {losses}")


if __name__ == "__main__":
    main()
