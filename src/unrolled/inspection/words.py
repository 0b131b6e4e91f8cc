"""What was found, in sentences, each with its figures. Knows what `account` measures; measures nothing itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from unrolled.inspection.ablation import Cost
from unrolled.inspection.account import Account
from unrolled.inspection.behaviour import Behaviour, Memory
from unrolled.inspection.finder import Finding
from unrolled.inspection.flow import reach
from unrolled.inspection.labels import RULES
from unrolled.inspection.predictions import Predictions

ABOUT = ("cells", "memory", "gradients", "gates", "predictions", "errors")  # in this order
_LONG = 100  # steps: how many units remember longer is told
_FAR = 20  # characters: brackets that are closed so far behind what they close
_HARDLY = 0.01  # of the time
_OFTEN = 20  # a symbol that is seldom says little


@dataclass(frozen=True)
class Sentence:
    """Something true of a network, in words, with the numbers that say so."""

    about: str
    text: str
    figures: dict[str, Any] = field(default_factory=dict)


def sentences(found: Account) -> list[Sentence]:
    """All that there is to say, in the order of `ABOUT`."""
    told = [*_of_cells(found)]
    for layer in found.behaviours:
        told += [*_of_memories(layer, found), *_of_gradients(layer, found.step), *_of_gates(layer)]
    if found.predictions is not None:
        told += [*_of_predictions(found.predictions), *_of_errors(found.predictions)]
    return sorted(told, key=lambda one: ABOUT.index(one.about))


def _of_cells(found: Account) -> Iterator[Sentence]:
    for one in found.findings:
        if one.passes:
            unit, by_chance = found.short(one.unit), f"chance {one.chance:.2f}"
            text = f"{unit} {_way(one)} {one.what}: {one.measure} {one.score:.2f}, {by_chance}"
            name = f"{one.cell}: " if one.cell else ""
            worth = _worth(found, one)
            figures = asdict(one) | ({} if worth is None else {"nats_when_held": worth})
            yield Sentence("cells", name + text + _worth_in_words(worth, one), figures)
    if found.findings and not any(one.passes for one in found.findings):
        yield Sentence("cells", "no unit tells any of the labels better than chance does")
    yield from _of_labels_in_vain(found)


def _of_labels_in_vain(found: Account) -> Iterator[Sentence]:
    """The user's own labels that nothing was found for."""
    findings = {one.label: one for one in found.findings}
    for label in found.labels:
        if label.name in RULES:
            continue
        one = findings.get(label.name)
        if one is None:
            yield Sentence("cells", f"{label.name!r} is the same in a whole half of the text: too seldom to look for")
        elif not one.passes:
            wanted = (
                f"more than {one.limit:.2f} was needed" if one.limit < 1 else "and so near to 1 nothing could be sure"
            )
            chance = f"untrained networks, or the label shifted, came to {one.chance:.2f}"
            got = f"{one.measure} {one.score:.2f}; {chance}, {wanted}"
            yield Sentence("cells", f"no unit tells {label.name!r} better than chance: {got}", asdict(one))


def _way(one: Finding) -> str:
    ways = ("is high", "is low") if one.measure == "AUC" else ("rises with", "falls with")
    return ways[one.is_opposite]


def _worth(found: Account, one: Finding) -> list[Cost] | None:
    """What holding the unit costs: everywhere, and where the label is true."""
    if found.ablated is None or one.unit not in found.ablated.units:
        return None
    label = next(label for label in found.labels if label.name == one.label)
    where = [found.ablated.where(label.values)] if label.is_binary else []
    costs = [found.ablated.cost(one.unit, each) for each in (None, *where)]
    return costs if all(math.isfinite(cost.nats) for cost in costs) else None


def _worth_in_words(worth: Sequence[Cost] | None, one: Finding) -> str:
    if worth is None:
        return ""
    told = [f"{cost.nats:+.3f} ± {cost.error:.3f}" for cost in worth]
    there = f", {told[1]} {one.what}" if len(told) > 1 else ""
    return f"; held at its mean, {told[0]} nats per character{there}"


def _of_memories(layer: Behaviour, found: Account) -> Iterator[Sentence]:
    for state, memory in layer.memories.items():
        median, units = float(memory.steps.median()), len(memory.steps)
        long = int((memory.steps > _LONG).sum())
        fade = f"fades to 1/e in {_steps(median, found.step)}" if math.isfinite(median) else "never fades"
        text = (
            f"{layer.name}.{state}: by {memory.keeper} alone the median unit {fade}; {long} of {units} units last for"
            f" more than {_LONG}"
        )
        figures = {"median": median if math.isfinite(median) else None, "long": long, "units": units}
        yield Sentence("memory", text, figures)
        if layer.place.path == found.behaviours[0].place.path:  # (of another module nobody knows what it reads)
            yield from _of_forgetting(f"{layer.name}.{state}", memory, found.symbols)
    if len(layer.exponents):
        yield _of_exponents(layer, found.step)


def _of_exponents(layer: Behaviour, step: str) -> Sentence:
    """Whether a small change fades; what is less than one over the number of steps is too little to be told."""
    largest = float(layer.exponents[0])
    if abs(largest) * layer.steps < 1:
        fate = "hardly fades or grows"
    elif largest < 0:
        fate = f"fades to 1/e in {_steps(-1 / largest, step)}"
    else:
        fate = f"grows e times in {_steps(1 / largest, step)}"
    text = (
        f"a small change of the states of {layer.name} {fate} (largest Lyapunov exponent {largest:+.3f} per {step},"
        f" over {layer.steps} {step}s)"
    )
    return Sentence("memory", text, {"exponents": layer.exponents.tolist(), "steps": layer.steps})


def _of_forgetting(state: str, memory: Memory, symbols: Sequence[str]) -> Iterator[Sentence]:
    """At which symbol a state keeps least of what it held."""
    kept = memory.kept.numpy()
    if len(symbols) != len(kept):
        return
    letters, place, counts = np.unique(np.array(list(symbols)), return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=kept) / counts
    means[counts < _OFTEN] = np.inf
    least = int(means.argmin())
    if math.isfinite(means[least]):
        there, overall, symbol = float(means[least]), float(kept.mean()), str(letters[least])
        text = f"{state} forgets most at {symbol!r}: it keeps {there:.0%} of what it held, {overall:.0%} on average"
        yield Sentence("memory", text, {"symbol": symbol, "kept": there, "on average": overall})


def _steps(count: float, step: str) -> str:
    shown = f"{count:.0f}" if count >= 9.5 else f"{count:.1f}"
    return f"{shown} {step}s"


def _of_gradients(layer: Behaviour, step: str) -> Iterator[Sentence]:
    """How far back a gradient at the end reaches, in each state."""
    for state, back in layer.signals.items():
        steps, most = reach(back.flip(0)), len(back) - 1
        end = ", which is as far as was looked," if steps == most and most > 0 else ""
        text = f"gradients reach back {steps} {step}s{end} in {layer.name}.{state} (to a hundredth)"
        yield Sentence("gradients", text, {"steps": steps, "of": most, "value": f"{layer.name}.{state}"})


def _of_gates(layer: Behaviour) -> Iterator[Sentence]:
    between = []
    for name, gate in layer.gates.items():
        left, right, stuck = float(gate.left.mean()), float(gate.right.mean()), gate.stuck.tolist()
        if left + right < _HARDLY:
            between.append(name)
            continue
        always = f"; {_units(len(stuck))} so at more than 99.9% of the steps" if stuck else ""
        text = f"{layer.name}.{name} is shut (below 0.1) {left:.0%} of the time, open (above 0.9) {right:.0%}{always}"
        yield Sentence("gates", text, {"left": left, "right": right, "stuck": stuck})
    if between:
        figures = {name: [float(gate.left.mean()), float(gate.right.mean())] for name, gate in layer.gates.items()}
        text = f"{layer.name}: {', '.join(between)} hardly ever shut or open (below 0.1 or above 0.9 in less than 1%)"
        yield Sentence("gates", text, {name: figures[name] for name in between})
    for name, units in layer.still.items():
        yield Sentence("gates", f"{layer.name}.{name}: {_units(len(units))} never moving", {"still": units})


def _units(count: int) -> str:
    return "1 unit is" if count == 1 else f"{count} units are"


def _of_predictions(found: Predictions) -> Iterator[Sentence]:
    best, mine = found.best, found.nats
    verdict = "better" if mine < found.ngrams[best] else "worse"
    text = (
        f"{mine:.3f} nats per character, {abs(mine - found.ngrams[best]):.3f} {verdict} than the best n-gram model of"
        f" {found.learned:,} characters of its training text (n = {best}, {found.ngrams[best]:.3f})"
    )
    others = {f"{n}-gram": nats for n, nats in found.ngrams.items()}
    windows = {f"{n}-NN": nats for n, nats in found.windows.items()}
    yield Sentence("predictions", text, {"model": mine, **others, **windows})
    gained = [one for one in found.gains if one.ours > one.theirs][:3]
    if gained:
        told = ", ".join(f"{one.symbol!r} {one.ours:.2f} ({one.theirs:.2f})" for one in gained)
        figures = {one.symbol: [one.ours, one.theirs] for one in gained}
        text = f"it gains most over {best}-grams on {told}: mean probabilities, the {best}-gram's in brackets"
        yield Sentence("predictions", text, figures)
    elif found.gains:
        yield Sentence("predictions", f"it expects no symbol better than {best}-grams do", {"n": best})
    far = [one for one in found.brackets if one.least >= _FAR and one.count >= 10]
    if far:
        one = far[0]
        told = f"{one.chances['model']:.2f}, by {best}-grams {one.chances['n-gram']:.2f}"
        text = f"a bracket that closes one {one.least} to {one.most - 1} characters back has the probability {told}"
        yield Sentence("predictions", text, {f"{each.least}-{each.most - 1}": each.chances for each in far})


_EXPLAINED = {
    "n-gram": "n-gram models get {} of these right",
    "memory": "{} are within words that stood there shortly before",
    "rare word": "{} within words that the training text hardly has",
    "word": "{} begin a word",
    "punctuation": "{} are punctuation",
    "boost": "{} only needed a little more",
}


def _of_errors(found: Predictions) -> Iterator[Sentence]:
    counts = found.errors.counts(by_kind=True)
    total = sum(counts.values())
    if total:
        told = ", ".join(_EXPLAINED[name].format(f"{count / total:.0%}") for name, count in counts.items())
        yield Sentence("errors", f"{total:,} characters got a probability below one half: {told}", counts)
