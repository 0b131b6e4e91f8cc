"""What a run predicts, held against n-gram models of its training text. Reads the model, changes nothing.

Random numbers are not used, and the model is in the mode it was in: training goes on as if nobody had looked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from unrolled.data import Text, first, split
from unrolled.inspection import NGrams, divergences
from unrolled.models import LanguageModel, evaluating
from unrolled.runs.events import Diverged
from unrolled.runs.tasks.text_config import TextConfig

_LEARNED = 500_000  # symbols of the training text in which n-grams are counted
_HELD_OUT = 2_000  # symbols that are read
_NUMBERS = 1 << 22  # of one order: with a large vocabulary fewer symbols are read


class Divergence:
    """n-gram models of the orders 1 to `config.divergence`, and what they expect of the held-out text."""

    def __init__(self, config: TextConfig, model: LanguageModel, texts: Sequence[Text]) -> None:
        """Count n-grams: a few seconds. `texts`: the run's; what is read is the end of the first."""
        self.model = model
        symbols = model.config.vocab_size
        parts = [split(text, config.val_frac) for text in texts]
        learned = np.concatenate([first(start, _LEARNED // len(parts)) for start, _ in parts])
        self._ids = first(parts[0][1], max(2, min(_HELD_OUT, _NUMBERS // symbols)))
        longest = NGrams(learned, symbols, config.divergence)
        orders = range(1, longest.order + 1)
        self._expected = {n: longest.shorter(n).distributions(self._ids)[1:] for n in orders}

    @torch.no_grad()
    def after(self, step: int) -> Diverged:
        """How far the model is from each, after so many steps."""
        with evaluating(self.model):
            logits, _ = self.model(torch.from_numpy(self._ids)[:-1, None].to(self.model.device))
        log_probs = logits[:, 0].double().log_softmax(dim=-1).cpu().numpy()
        return Diverged(step, divergences(log_probs, self._expected))
