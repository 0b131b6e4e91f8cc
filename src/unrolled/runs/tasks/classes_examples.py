"""Which examples of a classifier or a tagger are shown, and what came of them, step by step. Draws nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data import Batch, Examples, Lexicon, Ragged
from unrolled.inspection.attribution import Integrated, integrated_gradients, leave_one_out
from unrolled.inspection.example import Cloud, ExampleRead, Video
from unrolled.inspection.plane import Plane
from unrolled.models import SequenceModel, Tagger, evaluating
from unrolled.runs.tasks.batches import read_all
from unrolled.runs.tasks.classes_score import Probabilities, check_finite, probabilities_of

INTEGRATED, LEFT_OUT = "integrated gradients", "leave one out"
_LONGEST = 120  # steps of an example that is shown, where there is one as short
_OTHERS = 2  # examples that are shown besides
_VIDEOS = 2  # that are shown as they come
_POINTS, _LEFT_OUT, _BEGINNINGS = 1024, 256, 100  # how often an example is read, at most, for each of these
_STEPS = 40_000  # that are read for each of them; of a long example it is read less often, but so many times:
_FEWEST = 16
_CLOUD = 800  # states that are shown

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Shown:
    """What there is to say and to show of single examples.

    examples: some of them, step by step. cloud: states that the model had in all of them. videos: frames, if it reads
    such.
    """

    examples: list[ExampleRead]
    cloud: Cloud
    videos: list[Video]


def examples_shown(model: SequenceModel, examples: Examples, lexicon: Lexicon | None, step: str) -> Shown:
    """Let a model read examples, and look at a few of them step by step.

    Args:
        model: a classifier, or a tagger: its examples have as many targets as steps.
        examples: all that it reads.
        lexicon: of texts; None: numbers, or frames.
        step: what a step is called.

    Raises:
        RunError: its states, or what it says, are no finite numbers.
    """
    probabilities = probabilities_of(model, examples)
    assert probabilities is not None, "nobody says stop"
    with evaluating(model):
        states = _states(model, examples)
        check_finite("states", states.values)
        plane = Plane.of(states.values)
        reader = _Reader(model, examples, lexicon, step, Ragged(probabilities, examples.targets.ends), states, plane)
        shown = [reader.read(*one) for one in _chosen(model, examples, probabilities)]
    videos = _videos(examples, probabilities) if examples.inputs.values.ndim > 2 else []
    return Shown(shown, _cloud(model, examples, states, plane), videos)


def _states(model: SequenceModel, examples: Examples) -> Ragged:
    """What the last layer puts out after each step, reading forwards: `[T, H]` of each example."""
    width = model.rnn.output_size // (2 if model.config.bidirectional else 1)

    def read(batch: Batch) -> Tensor:
        output: Tensor = model.rnn(model.front(batch.inputs), lengths=batch.lengths)[0]
        return output[..., :width]

    found = read_all(model, examples, read, examples.inputs.ends)
    assert found is not None, "nobody says stop"
    return found


def _chosen(
    model: SequenceModel, examples: Examples, probabilities: Probabilities
) -> Iterator[tuple[str, int, int | None]]:
    """Answers that are looked at: why, of which example, and of which of its steps (None: of the whole).

    The surest that is right, the surest that is wrong, the least sure, and the last answer of some that are drawn,
    always the same; each of another example.
    """
    rows = np.repeat(np.arange(len(examples)), examples.targets.lengths)
    steps = np.arange(len(rows)) - examples.targets.starts[rows]
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == examples.targets.values
    lengths = examples.inputs.lengths
    is_short = (lengths <= max(_LONGEST, lengths.min()))[rows]
    surest = np.argsort(-sure, kind="stable")
    last = examples.targets.ends - 1
    others = np.random.default_rng(0).permutation(np.unique(rows[is_short]))
    wanted = [
        ("surest, and right", surest[(is_short & right)[surest]]),
        ("surest, and wrong", surest[(is_short & ~right)[surest]]),
        ("least sure", surest[::-1][is_short[surest[::-1]]]),
        *((f"example {row}", last[[row]]) for row in others[: 3 + _OTHERS]),
    ]
    taken: set[int] = set()
    for name, places in wanted:
        place = next((int(one) for one in places if int(rows[one]) not in taken), None)
        if place is None or len(taken) == 3 + _OTHERS:
            continue
        taken.add(int(rows[place]))
        yield name, int(rows[place]), int(steps[place]) if isinstance(model, Tagger) else None


@dataclass(frozen=True)
class _Reader:
    """Reads examples one by one, and writes down what came of each step."""

    model: SequenceModel
    examples: Examples
    lexicon: Lexicon | None
    step: str
    probabilities: Ragged
    states: Ragged
    plane: Plane

    def read(self, name: str, row: int, at: int | None) -> ExampleRead:
        """An example, or one of its steps."""
        said = int(self.probabilities[row][at or 0].argmax())
        gradients, lost = self._contributions(row, at, said)
        after, chances = self._over_time(row)
        return ExampleRead(
            name=name,
            step=self.step,
            steps=self._letters(row),
            said=said,
            truth=int(self.examples.targets[row][at or 0]),
            at=at,
            contributions={INTEGRATED: gradients.contributions.double().cpu().numpy(), LEFT_OUT: lost},
            gained=gradients.difference,
            summed=None if gradients.is_complete else gradients.total,
            after=after,
            chances=chances,
            path=self.plane.points(self.states[row]),
            is_text=self.lexicon is not None,
            pieces_touch=self.lexicon is not None and self.lexicon.pieces == "characters",
        )

    def _letters(self, row: int) -> list[str]:
        """What each step is."""
        steps = self.examples.inputs[row]
        if self.lexicon is not None:
            return [self.lexicon.entries[one] for one in steps]
        return list(map(str, range(len(steps))))

    def _batch(self, row: int) -> Tensor:
        """The inputs of an example, `[T, 1, ...]`."""
        return self.examples.batch([row]).inputs.to(next(self.model.parameters()).device)

    def _contributions(self, row: int, at: int | None, said: int) -> tuple[Integrated, Numbers]:
        """By integrated gradients, and by leaving one out, both `[T, 1]`, or `[T, C]` of channels."""

        def score(vectors: Tensor) -> Tensor:
            logits = self.model.answers(vectors, torch.full(vectors.shape[1:2], len(vectors), device=vectors.device))
            return _log_odds(logits if at is None else logits[at], said)

        with torch.no_grad():
            vectors, nothing = self.model.front(self._batch(row))[:, 0], self.model.front.nothing()
        of_channels = self.examples.inputs.values.ndim == 2
        found = integrated_gradients(score, vectors, nothing, most=_times(_POINTS, len(vectors)))
        if not of_channels:
            found = replace(found, contributions=found.contributions.sum(dim=1, keepdim=True))
        most = _times(_LEFT_OUT, len(vectors))
        lost = leave_one_out(score, vectors, nothing, each_channel=of_channels, most=most)
        return found, lost.double().cpu().numpy()

    @torch.no_grad()
    def _over_time(self, row: int) -> tuple[list[int], Numbers]:
        """What a tagger says of each step; what a classifier says of the beginning up to a step, all in one batch."""
        steps = int(self.examples.inputs.lengths[row])
        if isinstance(self.model, Tagger):
            return list(range(steps)), self.probabilities[row]
        count = min(steps, _times(_BEGINNINGS, steps))
        after = np.unique(np.linspace(0, steps - 1, count).round().astype(np.int64))
        vectors = self.model.front(self._batch(row))
        beginnings = vectors.expand(-1, len(after), -1)
        logits = self.model.answers(beginnings, torch.from_numpy(after + 1).to(vectors.device))
        return after.tolist(), F.softmax(logits.double(), dim=1).cpu().numpy()


def _times(most: int, steps: int) -> int:
    """How often an example of so many steps is read, `most` times at most."""
    return min(most, max(_FEWEST, _STEPS // steps))


def _log_odds(logits: Tensor, place: int) -> Tensor:
    """A class's logit against all others together, log p / (1 - p), `[B]`, for logits `[B, K]`."""
    others = torch.cat([logits[:, :place], logits[:, place + 1 :]], dim=1)
    return logits[:, place] - others.logsumexp(dim=1)


def _cloud(model: SequenceModel, examples: Examples, states: Ragged, plane: Plane) -> Cloud:
    """States with a class of their own: a classifier's last ones, a tagger's every one; so many as are shown."""
    places = np.arange(len(states.values)) if isinstance(model, Tagger) else states.ends - 1
    some = np.unique(np.linspace(0, len(places) - 1, min(len(places), _CLOUD)).round().astype(np.int64))
    return Cloud(
        plane.points(states.values[places[some]]), examples.targets.values[some].astype(np.int64), plane.shares
    )


def _videos(examples: Examples, probabilities: Probabilities) -> list[Video]:
    """The first examples, and the one with most errors, if it has one and is none of them."""
    said, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    errors = np.add.reduceat(said != examples.targets.values, examples.targets.starts, dtype=np.int64)
    rows = {row: f"example {row}" for row in range(min(_VIDEOS, len(examples)))}
    if errors.any():
        worst = int(errors.argmax())
        rows[worst] = f"example {worst}, with most errors"
    of_each, of_sure = Ragged(said, examples.targets.ends), Ragged(sure, examples.targets.ends)
    return [
        Video(name, examples.inputs[row].astype(np.float32), of_each[row], examples.targets[row], of_sure[row])
        for row, name in rows.items()
    ]
