"""What is seen in a translator while it translates: where it looks, units of its encoder, gates, gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from unrolled.data import Spelling
from unrolled.generation import Beam
from unrolled.inspection import Alignment, Label, Sentence, account_of, looking
from unrolled.inspection import open as opened
from unrolled.models import Translator
from unrolled.runs.tasks.examples_look import to_be_read, written
from unrolled.runs.tasks.kind import Asked, Seen
from unrolled.runs.tasks.translate_data import AboutTranslation, Translated
from unrolled.runs.tasks.translating import Rendered, render

_DRAWN = 10  # sources whose attention is drawn
_RANKED = 3  # translations of each
_END = "(end)"
_IN_ORDER = 0.7  # Pearson's r
_LOGITS = 100_000_000  # numbers that are kept at once


@dataclass(frozen=True)
class _Attended:
    """What was written of a source, and where the writer looked; `rank`: 1 is the best."""

    source: int
    rank: int
    alignment: Alignment


def look_at_translations(
    model: Translator, about: AboutTranslation, examples: Translated, beam: Beam, name: str, asked: Asked
) -> Seen:
    """Look at a model while it reads these sources and writes their targets, or as many as are not too many steps."""
    examples = _fitting(to_be_read(examples, asked.most), len(about.target))
    lengths = examples.inputs.lengths.tolist()
    batch = examples.batch(np.arange(len(examples)))
    pieces = [_shown(about.source, about.source.cut(one.source)) for one in examples.texts]
    asked.say("translating")
    few = examples.pick(np.arange(min(_DRAWN, len(examples))))
    said = render(model, about, few.sources, few.inputs, beam)
    assert said is not None, "nobody says stop"
    labels = _labels(pieces, about.source.unit)
    given_lengths = torch.from_numpy(examples.targets.lengths + 1)
    inputs = (batch.inputs, batch.lengths, model.given(batch.targets), given_lengths)
    symbols = [symbol for of_one in pieces for symbol in written(of_one, about.source.unit)]
    made = account_of(opened(model), *inputs, symbols=symbols, labels=labels, lengths=lengths, say=asked.say)
    attended = list(_attended(about, pieces, said))
    told, pictures = _told(attended), partial(_pictures, attended)
    return Seen(f"{name}, {len(examples)} sources", sum(lengths), made, told, pictures)


def _fitting(examples: Translated, symbols: int) -> Translated:
    """The first of them, as many as whose logits fit into the memory together."""
    longest = np.maximum.accumulate(examples.targets.lengths + 1)
    fitting = int((longest * np.arange(1, len(examples) + 1) * (symbols + 1) <= _LOGITS).sum())
    return examples.pick(np.arange(max(1, fitting)))


def _shown(spelling: Spelling, pieces: Sequence[str]) -> list[str]:
    """Pieces as they are read; one at least."""
    return [spelling.join([piece]) for piece in pieces] or [""]


def _attended(
    about: AboutTranslation, sources: Sequence[Sequence[str]], said: Sequence[Sequence[Rendered]]
) -> Iterator[_Attended]:
    for place, ranked in enumerate(said):
        for rank, one in enumerate(ranked[:_RANKED], 1):
            if one.places is not None:
                name, title = f"{place + 1}, no. {rank}: {one.text}", f"{one.text}  ({one.log_probability:.2f} nats)"
                pieces = [*_shown(about.target, one.pieces), _END] if one.pieces else [_END]
                yield _Attended(place, rank, Alignment(name, title, sources[place], pieces, one.places))


def _pictures(attended: Sequence[_Attended]) -> Mapping[str, Any]:
    from unrolled.inspection.alignment_figures import alignments  # (plotly is slow to import, and seldom needed)

    title = "Where it looked in the source while it wrote each piece, for the best translations"
    return {title: alignments([one.alignment for one in attended])} if attended else {}


def _told(attended: Sequence[_Attended]) -> list[Sentence]:
    best = [one.alignment for one in attended if one.rank == 1]
    if not best:
        return []
    found = looking(best)
    text = f"the place of the source that counts most has {found.sharpest:.0%} of the weight in the mean"
    figures = {"sharpest": round(found.sharpest, 4), "sources": len(best)}
    if np.isfinite(found.order):  # (in sources of one piece it never moves)
        text += f", and is {_way(found.order)} (r = {found.order:.2f})"
        figures["order"] = round(found.order, 4)
    return [Sentence("attention", text, figures)]


def _way(order: float) -> str:
    """How the place that a writer looks at goes on while it writes."""
    if abs(order) < _IN_ORDER:
        return "not simply the next one"
    return "further on the more is written" if order > 0 else "further back the more is written"


def _labels(pieces: Sequence[Sequence[str]], unit: str) -> list[Label]:
    """Of each piece of a source: how far its ends are, and what sort of piece it is."""
    flat = [piece for one in pieces for piece in one]
    sorts = {
        "number": (f"at a {unit} with a digit", [any(map(str.isdigit, piece)) for piece in flat]),
        "capital": (f"at a {unit} with a capital letter", [any(map(str.isupper, piece)) for piece in flat]),
        "sign": (f"at a {unit} without letters or digits", [not any(map(str.isalnum, piece)) for piece in flat]),
    }
    found = [Label(name, what, np.array(values, dtype=np.float64)) for name, (what, values) in sorts.items()]
    read = np.concatenate([np.arange(len(one)) for one in pieces]).astype(np.float64)
    left = np.concatenate([np.arange(len(one), 0, -1) for one in pieces]).astype(np.float64)
    found += [Label("start", f"how many {unit}s were read", read), Label("end", "how far the source's end is", left)]
    return [one for one in found if one.varies]
