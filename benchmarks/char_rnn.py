"""char-rnn's own experiment on tiny Shakespeare: its model, split, initial values and optimiser, over several seeds.

    python -m benchmarks.char_rnn TEXT [--cell lstm] [--seeds 3] [--steps 402 1000] [--over-time sum]

TEXT is the file `input.txt` of the published losses (1,115,394 characters, 65 different). Two layers of 128, one-hot
inputs, chunks of 50 x 50, RMSProp (2e-3, alpha 0.95), every parameter from U(-0.08, 0.08), the LSTM's forget gate 1
in the first of its two biases. The gradient is that of the sum over the 50 steps, and each element of it is clipped to
5. The split: each of 50 streams is cut into 446 chunks, the first 423 are learned, the other 23 held out; the held-out
ones are read from states of zero. One thing differs: char-rnn carries its states over the end of an epoch (step 423),
here they start from zero again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from unrolled import LanguageModel, LanguageModelConfig, Trainer, TrainingConfig
from unrolled.data import Ids, Streams, Vocabulary
from unrolled.training import Stepped
from unrolled.training.evaluation import chunk_loss

SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
HIDDEN, LAYERS, BATCH, SEQUENCE, TRAIN_SHARE = 128, 2, 50, 50, 0.95


def main() -> None:
    arguments = _arguments()
    content = arguments.text.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        print("note: this is not the file behind the published losses")
    vocabulary = Vocabulary.of(content, "characters")
    ids, _ = vocabulary.encode(content)
    results = [_train(ids, len(vocabulary), arguments, seed) for seed in range(1, arguments.seeds + 1)]
    for step in arguments.steps:
        losses = [result[step] for result in results]
        print(json.dumps({"cell": arguments.cell, "step": step, "median": statistics.median(losses), "losses": losses}))


def _train(ids: Ids, symbols: int, arguments: argparse.Namespace, seed: int) -> dict[int, float]:
    """One seed: the held-out loss, in nats per character, after each of the steps asked for."""
    torch.manual_seed(seed)
    model = _model(symbols, arguments.cell)
    usable = len(ids) // (BATCH * SEQUENCE) * BATCH * SEQUENCE
    wrapped = np.append(ids[:usable], ids[0])  # the last symbol is followed by the first
    clip = 5.0 if arguments.over_time == "sum" else 5.0 / SEQUENCE
    config = TrainingConfig(
        seq_length=SEQUENCE, batch_size=BATCH, optimizer="rmsprop", learning_rate=2e-3, warmup=0, decay=0.0,
        over_time=arguments.over_time, grad_clip=clip, clip="value", steps=max(arguments.steps), evaluations=1,
        samples=0,
    )  # fmt: skip
    trainer = Trainer(model, wrapped, wrapped[:2], config)
    everything = trainer.streams.chunks
    trainer.streams.chunks = int(everything * TRAIN_SHARE)
    held_out = range(trainer.streams.chunks, everything)
    whole = Streams(wrapped, BATCH, SEQUENCE)
    losses, started = {}, time.monotonic()
    for event in trainer.run():
        if isinstance(event, Stepped) and event.step in arguments.steps:
            losses[event.step] = _held_out_loss(model, whole, held_out)
            spent = time.monotonic() - started
            print(
                f"seed {seed} step {event.step}: {losses[event.step]:.4f} nats per character, {spent:.0f} s", flush=True
            )
    return losses


def _model(symbols: int, cell: str) -> LanguageModel:
    sizes = LanguageModelConfig(vocab_size=symbols, hidden_size=HIDDEN, num_layers=LAYERS)
    model = LanguageModel(sizes, cell)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.uniform_(-0.08, 0.08)
            if cell == "lstm" and name.endswith("bias_i_x"):
                parameter[HIDDEN : 2 * HIDDEN] = 1.0
    print(f"{cell}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters")
    return model


@torch.no_grad()
def _held_out_loss(model: LanguageModel, streams: Streams, numbers: range) -> float:
    model.eval()
    state, losses = None, []
    for number in numbers:
        chunk = streams.chunk(number)
        logits, state = model(chunk.ids, state)
        losses.append(float(chunk_loss(logits, chunk.targets)))
    model.train()
    return statistics.fmean(losses)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--cell", default="lstm", choices=["lstm", "gru", "gru_v3", "rnn"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs="+", default=[402, 1000])
    parser.add_argument("--over-time", default="sum", choices=["sum", "mean"], help="of the losses of a chunk")
    return parser.parse_args()


if __name__ == "__main__":
    main()
