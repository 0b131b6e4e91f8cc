"""Plain and residual networks learn the same images, in the same order, one network after the other. Keeps no model.

CS231n 2016, lecture 10, slide 77, and He et al. 2015 (Deep Residual Learning, fig. 4): the two differ by the sum
y = x + F(x), and by nothing else, initial values included. A plain one with He's initial values stands beside them. Its
gradient does not vanish, so that is not all that it lacks.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch

from unrolled.data import Batch
from unrolled.inspection import Initialised, gradients_by_layer
from unrolled.layers import Blocks
from unrolled.models import DeepClassifier, DeepClassifierConfig
from unrolled.rounding import rounded
from unrolled.runs.depth.config import DepthConfig, Network
from unrolled.runs.depth.found import Depth, Learnt
from unrolled.runs.depth.images import LabelledImages
from unrolled.runs.reporting import check_place
from unrolled.runs.tasks.classes_score import ClassScore, probabilities_of, score_of
from unrolled.runs.tasks.examples import measuring
from unrolled.training import Evaluated, ExamplesTask, Trainer

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Made:
    """How a network is made. `share`: of the learning rate, what suits it."""

    blocks: Blocks
    init: Initialised
    share: float = 1.0


_MADE: dict[Network, _Made] = {
    "residual": _Made("residual", "torch"),
    "plain": _Made("plain", "torch"),
    "plain, He": _Made("plain", "he", share=0.25),  # with all of it, fifty layers learn nothing
}


def depth_curves(config: DepthConfig, out: str | PathLike[str] | None = None, say: Say = lambda _: None) -> Depth:
    """Let networks of so many layers learn the same images: plain ones and a residual one.

    Args:
        config: the data, and the training.
        out: a file to which all of it is written, as a page with pictures.
        say: is told what is going on.

    Raises:
        DataError: there are no images, or they do not belong together, see `LabelledImages.read`.
        ConfigError: the page cannot be written there, or a network has no gradient even in its last layer.
        TrainingError: a loss exploded.
    """
    if out is not None:
        check_place(Path(out))  # (before minutes of training)
    images = LabelledImages.read(config.data, config.measured)
    models = {name: _model(_MADE[name], config, images) for name in config.networks}
    first = images.learned.batch(range(min(config.batch_size, len(images.learned))))
    gradients = {name: _gradients(model, first) for name, model in models.items()}  # (what has none is told of first)
    learnt = tuple(_learnt(name, model, gradients[name], config, images, say) for name, model in models.items())
    found = Depth(config.layers, tuple(_facts(config, images)), learnt)
    if out is not None:
        found.write(out)
    return found


def _facts(config: DepthConfig, images: LabelledImages) -> Iterator[str]:
    yield f"{len(images.learned):,} images of {', '.join(config.data)} are learned, {config.batch_size} in a step"
    yield f"{len(images.measured):,} others, of {', '.join(config.measured)}"
    yield "each of {} x {} x {}, of {} classes".format(*images.frame, len(images.classes))
    yield f"{config.layers} layers with weights, {config.channels} channels; nothing is normalised; seed {config.seed}"
    if "plain, He" in config.networks:
        told = "with He's initial values, the others with torch's; its learning rate is {:g}, theirs {:g}"
        yield f"'plain, He' begins {told.format(_MADE['plain, He'].share * config.learning_rate, config.learning_rate)}"


def _learnt(
    name: Network,
    model: DeepClassifier,
    gradients: Sequence[float],
    config: DepthConfig,
    images: LabelledImages,
    say: Say,
) -> Learnt:
    rate = _MADE[name].share * config.learning_rate
    trainer = Trainer(_task(model, config, images), config.model_copy(update={"learning_rate": rate}))
    seen = []
    for event in trainer.run():
        if isinstance(event, Evaluated):
            seen.append(event)
            right, nats = event.scores["accuracy"], rounded(event.loss, 3)
            say(f"{name}: step {event.step:,}, {right:.1%} of the others right, {nats} nats per image")
    return Learnt(
        name=name,
        rate=rate,
        gradients=tuple(gradients),
        steps=tuple(one.step for one in seen),
        accuracies=tuple(one.scores["accuracy"] for one in seen),
        nats=tuple(one.loss for one in seen),
    )


def _model(made: _Made, config: DepthConfig, images: LabelledImages) -> DeepClassifier:
    sizes = DeepClassifierConfig(
        frame=images.frame,
        classes=len(images.classes),
        layers=config.layers,
        channels=config.channels,
        blocks=made.blocks,
        init=made.init,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return DeepClassifier(sizes)


def _gradients(model: DeepClassifier, batch: Batch) -> list[float]:
    """By layer; in float64, since those of a plain network are soon smaller than a float32 can be."""
    exact = copy.deepcopy(model).double()
    with torch.enable_grad():
        losses = exact.losses(batch.inputs.double(), batch.lengths, batch.targets)
        return gradients_by_layer(exact, losses.mean())


def _task(model: DeepClassifier, config: DepthConfig, images: LabelledImages) -> ExamplesTask:
    def scored(should_stop: Callable[[], bool]) -> ClassScore | None:
        probabilities = probabilities_of(model, images.measured, should_stop)
        if probabilities is None:
            return None
        return score_of(images.measured, probabilities, images.classes, "image")

    return ExamplesTask(
        model,
        images.learned,
        images.measured,
        config.batch_size,
        seed=config.seed,
        loss_of_guessing=math.log(len(images.classes)),
        measure=measuring(scored, None),
    )
