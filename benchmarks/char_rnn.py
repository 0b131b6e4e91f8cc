"""char-rnn's own experiment on tiny Shakespeare: its model, split, initial values and optimiser, over several seeds.

    python -m benchmarks.char_rnn TEXT [--cell gru_v3] [--seeds 3] [--steps 402 1000] [--loss-reduction sum]

TEXT is the file `input.txt` of the published losses (1,115,394 characters, 65 different). The settings are those of
the preset: `unrolled train TEXT --preset char-rnn`. The split: each of 50 streams is cut into 446 chunks, the first 423
are learned, the other 23 held out; the held-out ones are read from states of zero.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from pathlib import Path

from unrolled import TextConfig, cells
from unrolled.data import Encoded, encode, found
from unrolled.runs import preset
from unrolled.runs.building import initialised
from unrolled.runs.tasks import text_model, text_task
from unrolled.training import Stepped, Trainer

SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def main() -> None:
    arguments = _arguments()
    if hashlib.sha256(arguments.text.read_bytes()).hexdigest() != SHA256:
        print("note: this is not the file behind the published losses")
    with found([str(arguments.text)]) as places:
        text = encode(places, "characters", 0, "concatenated")
    results = [_train(text, arguments, seed) for seed in range(1, arguments.seeds + 1)]
    for step in arguments.steps:
        losses = [result[step] for result in results]
        print(json.dumps({"cell": arguments.cell, "step": step, "median": statistics.median(losses), "losses": losses}))


def _train(text: Encoded, arguments: argparse.Namespace, seed: int) -> dict[int, float]:
    """One seed: the held-out loss, in nats per character, after each of the steps asked for."""
    changes = {"seed": seed, "steps": max(arguments.steps), "samples": 0, "evaluations": 1}
    if arguments.loss_reduction == "mean":
        changes |= {"loss_reduction": "mean", "grad_clip": 5.0 / 50}
    if arguments.cell is not None:
        changes["cell"] = arguments.cell
    options = {name: value for name, value in preset("char-rnn").items() if name != "epochs"}
    config = TextConfig(**options | changes)
    model = initialised(config, lambda: text_model(config, len(text.vocabulary), cells.find(config.cell).graph))
    print(f"{config.cell}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters")
    task = text_task(config, model, text.texts())
    losses, started = {}, time.monotonic()
    for event in Trainer(task, config).run():
        if isinstance(event, Stepped) and event.step in arguments.steps:
            losses[event.step] = task.evaluate()
            spent = time.monotonic() - started
            print(
                f"seed {seed} step {event.step}: {losses[event.step]:.4f} nats per character, {spent:.0f} s", flush=True
            )
    return losses


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--cell", help="another than the preset's lstm(forget_bias=1.0): gru_v3, rnn ...")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs="+", default=[402, 1000])
    parser.add_argument("--loss-reduction", default="sum", choices=["sum", "mean"], help="of the losses of a chunk")
    return parser.parse_args()


if __name__ == "__main__":
    main()
