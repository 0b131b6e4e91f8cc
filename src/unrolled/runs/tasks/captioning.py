"""Letting a captioner say what it sees: images in, texts out. Trains nothing and reads no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data import Examples
from unrolled.generation import Beam, Strategy, Written, beam_or_greedy, draw_sequences
from unrolled.models import Captioner, evaluating
from unrolled.runs.tasks.caption_data import AboutCaptions
from unrolled.runs.tasks.kind import ShouldStop
from unrolled.training import seed_of

_SEED = 1
_NUMBERS = 1 << 22  # of images that are read side by side
_ROWS = 512  # captions that are written side by side: images times the beam's width


@dataclass(frozen=True)
class Told:
    """One way to tell of an image.

    pieces: of the caption. text: of these. log_probability: in nats. places: how much it looked at each place of the
    image before each piece, and before the end, `[U + 1, S]`; None without attention.
    """

    pieces: tuple[str, ...]
    text: str
    log_probability: float
    places: NDArray[np.float32] | None


def tell(
    model: Captioner,
    about: AboutCaptions,
    examples: Examples,
    way: Beam | Strategy,
    should_stop: ShouldStop = lambda: False,
) -> list[list[Told]] | None:
    """The best captions of each image, the best first, no text twice; None if it was told to stop.

    `way`: how they are found: searched for, or one is drawn, always the same for an image at that place among them.

    Raises:
        GenerationError: the model's logits are no finite numbers.
    """
    device = next(model.parameters()).device
    banned = () if about.spelling.unknown is None else (about.spelling.unknown,)
    found: list[list[Told]] = []
    fitting = _NUMBERS // max(1, examples.inputs.values[0].size * int(examples.inputs.lengths.max(initial=1)))
    at_once = max(1, min(fitting, _ROWS if isinstance(way, Strategy) else _ROWS // way.width))
    with evaluating(model), torch.no_grad():
        for start in range(0, len(examples), at_once):
            if should_stop():
                return None
            batch = examples.batch(np.arange(start, min(start + at_once, len(examples)))).to(device)
            memory = model.read(batch.inputs, batch.lengths)
            most = torch.full_like(batch.lengths, about.longest)
            if isinstance(way, Strategy):
                seeds = (seed_of(_SEED, "sampling", start + row) for row in range(len(most)))
                generators = [torch.Generator().manual_seed(seed) for seed in seeds]
                drawn = draw_sequences(model.teller, memory, most, way, generators, banned)
                written = [[one] for one in drawn]
            else:
                written = beam_or_greedy(model.teller, memory, most, way, banned)
            for ranked in written:
                said = dict[str, Told]()  # (byte pairs can spell a text in several ways)
                for one in ranked:
                    said.setdefault((told := _told(one, about)).text, told)
                found.append(list(said.values()))
    return found


def _told(written: Written, about: AboutCaptions) -> Told:
    pieces = tuple(about.spelling.entries[one] for one in written.ids)
    places = None if written.places is None else written.places.float().cpu().numpy()
    return Told(pieces, " ".join(about.spelling.join(pieces).split()), written.log_probability, places)


def said_of(told: Sequence[Sequence[Told]]) -> list[str]:
    """The best caption of each."""
    return [ranked[0].text for ranked in told]
