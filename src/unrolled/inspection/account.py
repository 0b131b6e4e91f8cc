"""What there is to say of a language model that has read a text: sentences, each with its figures. Knows no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.inspection.brackets import by_distance
from unrolled.inspection.finder import Finding, find_cells
from unrolled.inspection.flow import reach, signal
from unrolled.inspection.gates import gates_of, keepers_of, saturation, still, time_constants
from unrolled.inspection.labels import Label
from unrolled.inspection.ngram import NGrams
from unrolled.inspection.oracles import breakdown, gains
from unrolled.inspection.reading import Read, read, untrained
from unrolled.inspection.tracing import directions_of
from unrolled.models import LanguageModel

_NETWORKS = 3  # untrained ones, to compare with
_ORDER = 9  # of the longest n-gram that explains an error
_WINDOW, _ROWS = 200, 16  # characters through which gradients go back, and how many such pieces
_LONG = 100  # characters: who remembers longer is told

_ABOUT = ("cells", "memory", "gradients", "gates", "predictions", "errors")  # in this order

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sentence:
    """Something true of a network, in words, with the numbers that say so."""

    about: str
    text: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Account:
    """What was found, and what it was found in."""

    sentences: list[Sentence]
    read: Read
    findings: list[Finding]


def account(
    model: LanguageModel, text: str, ids: Tensor, labels: Sequence[Label], training: tuple[str, Any], say: Say
) -> Account:
    """Look at a model while it reads a text that it was not trained on.

    Args:
        model: whose symbols are characters.
        text: its characters.
        ids: their numbers, `[N]`.
        labels: of the text.
        training: what it was trained on, as text and as numbers.
        say: is told what is going on.
    """
    say("reading")
    seen = read(model, ids)
    say(f"{_NETWORKS} untrained networks read the same")
    others = [read(untrained(model, 1000 + number), ids).units() for number in range(_NETWORKS)]  # type: ignore[arg-type]
    say("looking for cells")
    findings = find_cells(seen.units(), labels, others)
    del others
    say("gates and gradients")
    sentences = [*_of_cells(findings), *_of_gates(model, seen), *_of_gradients(model, ids)]
    say("n-gram models of the training text")
    sentences += _against_ngrams(model, seen, text, ids, training)
    return Account(sorted(sentences, key=lambda one: _ABOUT.index(one.about)), seen, findings)


def _of_cells(findings: Sequence[Finding]) -> Iterator[Sentence]:
    for one in findings:
        if one.passes:
            unit = one.unit.removeprefix("rnn.")
            how = f"{one.measure} {one.score:.2f}, chance {one.chance:.2f}"
            ways = ("is high", "is low") if one.measure == "AUC" else ("rises with", "falls with")
            tells = ways[one.is_opposite]
            yield Sentence("cells", f"{unit} {tells} {one.what}: {how}", vars(one))
    if not any(one.passes for one in findings):
        yield Sentence("cells", "no unit tells any of the labels better than chance does")


def _of_gates(model: LanguageModel, seen: Read) -> Iterator[Sentence]:
    for place, direction in directions_of("rnn", model.rnn.stack()):
        graph = direction.program.graph
        for gate in gates_of(graph):
            found = saturation(seen.values[f"{place}.{gate}"])
            left, right = float(found.left.mean()), float(found.right.mean())
            figures = {"left": left, "right": right, "stuck": found.stuck.tolist()}
            stuck = f"; {_units(len(found.stuck))} always" if len(found.stuck) else ""
            text = f"layer{place.layer}.{gate} is shut (below 0.1) {left:.0%} of the time, open (above 0.9) {right:.0%}"
            yield Sentence("gates", text + stuck, figures)
        for state, gate in keepers_of(graph).items():
            lasting = time_constants(seen.values[f"{place}.{gate}"])
            long = int((lasting > _LONG).sum())
            text = (
                f"layer{place.layer}.{state} remembers for {float(lasting.median()):.0f} characters (the median unit,"
                f" by its gate {gate}); {long} of {len(lasting)} units for more than {_LONG}"
            )
            yield Sentence("memory", text, {"median": float(lasting.median()), "long": long, "units": len(lasting)})
        for one in graph.states:
            dead = still(seen.values[f"{place}.{one.name}"]).tolist()
            if dead:
                yield Sentence(
                    "gates", f"layer{place.layer}.{one.name}: {_units(len(dead))} never moving", {"dead": dead}
                )


def _units(count: int) -> str:
    return "1 unit is" if count == 1 else f"{count} units are"


def _of_gradients(model: LanguageModel, ids: Tensor) -> Iterator[Sentence]:
    """How far back a gradient at the end of a piece of the text reaches, in each state of each layer."""
    rows = min(_ROWS, len(ids) // _WINDOW)
    if rows == 0:
        return
    starts = torch.linspace(0, len(ids) - _WINDOW, rows).long()
    pieces = torch.stack([ids[start : start + _WINDOW] for start in starts.tolist()], dim=1)
    x = model.table()[pieces.long()].detach()
    for place, direction in directions_of("", model.rnn.stack()):
        for one in direction.program.graph.states:
            back = reach(signal(model.rnn, x, value=f"{place}.{one.name}"))
            at_least = "at least " if back >= _WINDOW - 1 else ""
            text = f"gradients reach back {at_least}{back} characters in {place}.{one.name} (to a hundredth)"
            yield Sentence("gradients", text, {"characters": back, "value": f"{place}.{one.name}"})


def _against_ngrams(
    model: LanguageModel, seen: Read, text: str, ids: Tensor, training: tuple[str, Any]
) -> Iterator[Sentence]:
    words, numbers = training
    counted = NGrams(numbers, model.config.vocab_size, _ORDER)
    held = ids.numpy()
    chances = {n: counted.shorter(n).probabilities(held) for n in range(1, counted.order + 1)}
    nats = {n: float(-np.log(one[1:]).mean()) for n, one in chances.items()}
    best = min(nats, key=lambda n: nats[n])
    mine = float(seen.nats[1:].mean())
    figures: dict[str, Any] = {"model": mine, **{f"{n}-gram": value for n, value in nats.items()}}
    verdict = "better" if mine < nats[best] else "worse"
    text_of_it = (
        f"{mine:.3f} nats per character, {abs(mine - nats[best]):.3f} {verdict} than the best n-gram model of"
        f" {len(numbers):,} characters of its training text (n = {best}, {nats[best]:.3f})"
    )
    yield Sentence("predictions", text_of_it, figures)
    ours, theirs = np.exp(-seen.nats.double().numpy()), chances[best]
    yield from _of_symbols(text, ours, theirs, best)
    yield from _of_brackets(text, {"model": ours, "n-gram": theirs})
    counts = breakdown(text, ours, chances, words).counts(by_kind=True)
    total = sum(counts.values())
    if total:
        told = ", ".join(f"{name} {count / total:.0%}" for name, count in counts.items())
        yield Sentence("errors", f"{total:,} characters had less than one half. What explains them: {told}", counts)


def _of_symbols(text: str, ours: Any, theirs: Any, best: int) -> Iterator[Sentence]:
    found = gains(text, ours, theirs)[:3]
    if found:
        told = ", ".join(f"{one.symbol!r} {one.ours:.2f} to {one.theirs:.2f}" for one in found)
        figures = {one.symbol: [one.ours, one.theirs] for one in found}
        yield Sentence("predictions", f"it gains most over {best}-grams on {told} (mean probabilities)", figures)


def _of_brackets(text: str, chances: Mapping[str, Any]) -> Iterator[Sentence]:
    far = [one for one in by_distance(text, dict(chances)) if one.least >= 20 and one.count >= 10]
    if far:
        one = far[0]
        told = f"{one.chances['model']:.2f} to {one.chances['n-gram']:.2f}"
        yield Sentence(
            "predictions",
            f"a bracket that closes one {one.least} to {one.most - 1} characters back has the probability {told}",
            {f"{each.least}-{each.most - 1}": each.chances for each in far},
        )
