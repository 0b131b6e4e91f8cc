"""Letting a translator translate: pieces in, texts out. Trains nothing and reads no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data import Examples, Ragged
from unrolled.generation import Beam, Written, beam_search
from unrolled.models import Translator, evaluating
from unrolled.runs.tasks.kind import ShouldStop
from unrolled.runs.tasks.translate_data import AboutTranslation

_ROWS = 512  # that are written side by side: sources times the beam's width


@dataclass(frozen=True)
class Rendered:
    """One way to translate a source.

    pieces: of the translation. text: of these. log_probability: in nats. score: by which it is ranked. places: how much
    it looked at each piece of the source as it wrote each of its own, and then the end, `[U + 1, S]`; None without
    attention.
    """

    pieces: tuple[str, ...]
    text: str
    log_probability: float
    score: float
    places: NDArray[np.float32] | None


def render(
    model: Translator,
    about: AboutTranslation,
    sources: Sequence[str],
    inputs: Ragged,
    beam: Beam,
    should_stop: ShouldStop = lambda: False,
) -> list[list[Rendered]] | None:
    """The best translations of each source, the best first, no text twice; None if it was told to stop.

    In the place of a word that the target's vocabulary does not have stands the piece of the source that was looked at
    most (Jean et al. 2015, section 3.3), of those that are unknown, too, if there are any; without attention such words
    are not written.

    Args:
        model: the translator.
        about: the vocabularies, and the longest target that was learned: what is written has at most as many pieces, or
            twice as many as the source.
        sources: the texts.
        inputs: the same as ids.
        beam: how widely to search.
        should_stop: is asked now and then.

    Raises:
        GenerationError: the model's logits are no finite numbers.
    """
    device = next(model.parameters()).device
    can_copy = model.writer.can_point and about.can_copy
    banned = () if can_copy or about.target.unknown is None else (about.target.unknown,)
    found: list[list[Rendered]] = [[] for _ in sources]
    examples = Examples(inputs, inputs)
    with evaluating(model), torch.no_grad():
        for rows in examples.in_order(max(1, _ROWS // beam.width)):
            if should_stop():
                return None
            batch = examples.batch(rows).to(device)
            memory = model.read(batch.inputs, batch.lengths)
            most = (2 * batch.lengths).clamp(min=about.longest)
            for row, written in zip(rows.tolist(), beam_search(model.writer, memory, most, beam, banned), strict=True):
                pieces, said = about.source.cut(sources[row]), dict[str, Rendered]()
                for one in written:  # (byte pairs can spell a text in several ways)
                    said.setdefault((rendered := _rendered(one, about, pieces)).text, rendered)
                found[row] = list(said.values())
    return found


def _rendered(written: Written, about: AboutTranslation, source: Sequence[str]) -> Rendered:
    places = None if written.places is None else written.places[:, : max(1, len(source))].float().cpu().numpy()
    pieces = [about.target.entries[one] for one in written.ids]
    if places is not None and source:
        is_unknown = about.source.ids(source) == about.source.unknown
        looked_at = (places * is_unknown if is_unknown.any() else places).argmax(axis=1)
        for place, one in enumerate(written.ids):
            if one == about.target.unknown:
                pieces[place] = source[int(looked_at[place])]
    text = " ".join(about.target.join(pieces).split())  # (as the texts are that were learned)
    return Rendered(tuple(pieces), text, written.log_probability, written.score, places)
