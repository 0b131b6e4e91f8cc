"""What is said and shown of single examples of a classifier or a tagger: sentences, and figures. Measures nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from unrolled.inspection import Sentence
from unrolled.inspection.example import ExampleRead
from unrolled.runs.tasks.classes_examples import INTEGRATED, LEFT_OUT, Shown

ABOUT = "examples"


def sentences_of(shown: Shown, classes: Sequence[str], answer: str) -> list[Sentence]:
    """What was said of each example, and which step speaks most for it and against it.

    answer: what a class is called.
    """
    return [*(_of_example(one, classes) for one in shown.examples), *_of_videos(shown, answer)]


def _of_example(one: ExampleRead, classes: Sequence[str]) -> Sentence:
    values = one.contributions[INTEGRATED]
    most, least = (np.unravel_index(place, values.shape) for place in (values.argmax(), values.argmin()))
    parts = [f"{one.name}: it {one.verdict(classes)}"]
    if values[most] > 0:
        parts.append(f"{_step(one, most)} speaks for it most ({_worth(one, most)})")
    if values[least] < 0:
        parts.append(f"{_step(one, least)} speaks against it most ({_worth(one, least)})")
    if one.doubt:
        parts.append(f"contributions are not exact: {one.doubt} nats")
    figures = {
        "said": classes[one.said], "truth": classes[one.truth], "probability": one.chance, "at": one.at,
        "steps": list(one.steps), "contributions": {name: each.tolist() for name, each in one.contributions.items()},
        "gained": one.gained, "summed": one.gained if one.summed is None else one.summed,
    }  # fmt: skip
    return Sentence(ABOUT, "; ".join(parts), figures)


def _step(one: ExampleRead, place: Sequence[Any]) -> str:
    """A step in words, and its channel where it has several."""
    step, channel = map(int, place)
    named = repr(one.steps[step]) if one.is_text else f"{one.step} {step}"
    return named + (f", channel {channel}," if one.contributions[INTEGRATED].shape[1] > 1 else "")


def _worth(one: ExampleRead, place: Any) -> str:
    shares, lost = (float(one.contributions[name][place]) for name in (INTEGRATED, LEFT_OUT))
    return f"{shares:+.2f} nats; without it {-lost:+.2f}"


def _of_videos(shown: Shown, answer: str) -> Iterator[Sentence]:
    for one in shown.videos:
        wrong = int((~one.is_right).sum())
        text = f"{one.name}: {wrong} of {len(one.said)} frames have the wrong {answer}"
        yield Sentence(ABOUT, text, {"wrong": wrong, "frames": len(one.said)})


def pictures_of(shown: Shown, classes: Sequence[str], answer: str) -> dict[str, Any]:
    """The figures, by what they show. `answer`: what a class is called."""
    from unrolled.inspection.channel_figures import contribution_maps  # (plotly is slow to import)
    from unrolled.inspection.path_figures import chances, paths
    from unrolled.inspection.video_figures import strip
    from unrolled.inspection.word_figures import coloured_words

    examples = shown.examples
    step, channels = examples[0].step, examples[0].contributions[INTEGRATED].shape[1]
    of_what = f"the {answer} that it says" + (f" of the {step} in the box" if examples[0].at is not None else "")
    title = f"What each {step} contributes to {of_what}: blue speaks for it, orange against it"
    if examples[0].is_text:
        drawn = coloured_words(examples, classes)
    else:
        rows = [step] if channels == 1 else [f"channel {channel}" for channel in range(channels)]
        drawn = contribution_maps(examples, classes, rows)
    of_videos = {f"What it says of each frame: {one.name}": strip(one, classes) for one in shown.videos}
    return {
        **of_videos,
        title: drawn,
        f"How likely each {answer} is after each {step}": chances(examples, classes),
        f"The path of its states, {step} by {step}, from the circle to the diamond": paths(
            examples, shown.cloud, classes
        ),
    }
