"""What narrow matrices cost a run: nats per character on a text that it has not seen.

    python -m benchmarks.narrow_loss RUN TEXT [--best]

TEXT is cut as `unrolled eval` cuts it. bf16 is autocast, which rounds the logits, too: the decoder does not. int8: each
matrix is rounded to the 255 steps of the decoder's columns, and multiplied in float32, as the decoder does; that its
logits are the decoder's is tried first.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.measure import WrongAnswerError, distance
from unrolled.data import encode_with, found, reading
from unrolled.generation import Strategy, writer
from unrolled.models import LanguageModel
from unrolled.runs.loading import load
from unrolled.training import mean_nats

_TOLERANCE = 1e-4  # of the largest logit: sums are rounded in another order


def main(words: Sequence[str] | None = None) -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("run", type=Path)
    made.add_argument("text")
    made.add_argument("--best", action="store_true", help="the weights with the lowest held-out loss")
    options = made.parse_args(words)
    run = load(options.run, best=options.best)
    with found([options.text]) as sources, tempfile.TemporaryDirectory() as folder:
        text = encode_with(sources, run.vocabulary, Path(folder))
        (ids,) = text.texts()
        nats = {"float32": mean_nats(run.model, [reading(ids)])}
        with torch.autocast("cpu", torch.bfloat16):
            nats["bf16"] = mean_nats(run.model, [reading(ids)])
        written = _logits(run.model, "int8")
        round_matrices(run.model)
        off = distance(_logits(run.model, "float32"), written)
        if not off <= _TOLERANCE:  # NaN is not
            raise WrongAnswerError(f"the rounded model's logits are off by {off:.1e} from those of the decoder in int8")
        nats["int8"] = mean_nats(run.model, [reading(ids)])
    for name, loss in nats.items():
        print(f"{name:<8} {loss:.4f} nats per token   {loss - nats['float32']:+.4f}")


@torch.no_grad()
def round_matrices(model: LanguageModel) -> None:
    """Every matrix that the decoder packs: 255 even steps up to the largest magnitude of each row."""
    for matrix in (*model.rnn.parameters(), model.read_out.weight):
        if matrix.dim() == 2:
            steps = matrix.abs().amax(dim=1, keepdim=True) / 127
            matrix.copy_(torch.where(steps > 0, (matrix / steps).round() * steps, matrix))


@torch.no_grad()
def _logits(model: LanguageModel, precision: str) -> Tensor:
    """What the decoder gives after a symbol for each of six streams."""
    given = torch.eye(6, model.config.vocab_size)
    state = {name: torch.full_like(value, 0.1) for name, value in model.rnn.zero_state(6).items()}
    _, logits, _ = writer(model, Strategy(0.0), precision)(given, state, torch.zeros(1, 6, dtype=torch.float64))
    return logits


if __name__ == "__main__":
    main()
