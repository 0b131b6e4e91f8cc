"""The preset min-char-rnn against the script by hand, examples/min_char_rnn.py, in float64.

    python -m benchmarks.min_char_rnn TEXT [--steps 1000] [--learning-rate 0.1 0.01]

Two comparisons. *Apart*: both start from the same weights and go their own way. *Together*: before each step the
script is given the library's weights, memory and state, so that each step is compared on its own. Apart, at the
preset's rate of 0.1, training is chaotic: Adagrad's first steps move every weight by about 0.1, and the script itself,
started with weights that differ by 1e-14, is elsewhere after 20 steps (`--nudge` shows it). At a rate of 0.01 both go
the same way.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unrolled import TextConfig, cells
from unrolled.runs import preset
from unrolled.runs.building import initialised
from unrolled.runs.tasks import text_model, text_task
from unrolled.training import Stepped, Trainer

WHERE = {
    "W_xh": "rnn.layer0.weight_h_x",
    "W_hh": "rnn.layer0.weight_h_h",
    "W_hy": "read_out.weight",
    "b_h": "rnn.layer0.bias_h",
    "b_y": "read_out.bias",
}


def script() -> ModuleType:
    """examples/min_char_rnn.py, as a module."""
    path = Path(__file__).parent.parent / "examples" / "min_char_rnn.py"
    spec = importlib.util.spec_from_file_location("min_char_rnn", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trainer_of(ids: Any, symbols: int, steps: int, rate: float) -> Trainer[Any]:
    """The library's preset, in float64."""
    changes = {"steps": steps, "precision": "float64", "samples": 0, "learning_rate": rate}
    config = TextConfig(**preset("min-char-rnn") | changes)
    model = initialised(config, lambda: text_model(config, symbols, cells.find(config.cell).graph))
    return Trainer(text_task(config, model, [ids]), config)


def weights_of(trainer: Trainer[Any]) -> dict[str, Any]:
    """The library's weights, copied, by the script's names."""
    named = dict(trainer.task.model.named_parameters())
    assert set(named) == set(WHERE.values())
    return {name: named[place].detach().numpy().copy() for name, place in WHERE.items()}


def apart(ids: Any, symbols: int, steps: int, rate: float) -> float:
    """The greatest difference of two losses, in nats per chunk, when each goes its own way from the same weights."""
    trainer, by_hand = trainer_of(ids, symbols, steps, rate), script()
    by_hand.LEARNING_RATE = rate
    theirs = [loss for loss, _ in by_hand.training(weights_of(trainer), ids, steps)]
    ours = [event.loss * by_hand.SEQ_LENGTH for event in trainer.run() if isinstance(event, Stepped)]
    return float(np.abs(np.subtract(ours, theirs)).max())


def together(ids: Any, symbols: int, steps: int, rate: float) -> tuple[float, float]:
    """The greatest difference of two losses, and of two weights after a step, when each step starts from the same."""
    trainer, by_hand = trainer_of(ids, symbols, steps, rate), script()
    by_hand.LEARNING_RATE = rate
    before, h = weights_of(trainer), np.zeros(trainer.config.hidden_size)
    memory = {name: np.zeros_like(value) for name, value in before.items()}
    losses, weights = [], []
    events = (event for event in trainer.run() if isinstance(event, Stepped))
    for event, (characters, targets, is_start) in zip(events, by_hand.chunks(ids), strict=False):
        loss, gradients, _ = by_hand.loss_and_gradients(
            before, np.zeros_like(h) if is_start else h, characters, targets
        )
        by_hand.adagrad_step(before, gradients, memory)
        after = weights_of(trainer)
        losses.append(abs(loss - event.loss * by_hand.SEQ_LENGTH))
        weights.append(max(float(np.abs(after[name] - before[name]).max()) for name in after))
        before, h = after, trainer.task.carried["h"].numpy().ravel()
        memory = {name: trainer.optimizer.tensors()[f"{place}.sum"].numpy() - 1e-8 for name, place in WHERE.items()}
    assert len(losses) == steps
    return max(losses), max(weights)


def nudged(ids: Any, symbols: int, steps: int, rate: float) -> float:
    """The greatest difference of two losses of the script with itself, where one starts from weights 1e-14 larger."""
    by_hand = script()
    by_hand.LEARNING_RATE = rate
    losses = []
    for nudge in (0.0, 1e-14):
        parameters = by_hand.initial_parameters(100, symbols, np.random.default_rng(0))
        parameters["W_xh"] *= 1 + nudge
        losses.append([loss for loss, _ in by_hand.training(parameters, ids, steps)])
    return float(np.abs(np.subtract(*losses)).max())


def main() -> None:
    arguments = _arguments()
    text = arguments.text.read_text(encoding="utf-8")
    alphabet = sorted(set(text))
    places = {one: number for number, one in enumerate(alphabet)}
    ids, symbols, steps = np.array([places[one] for one in text]), len(alphabet), arguments.steps
    for rate in arguments.learning_rate:
        loss, weight = together(ids, symbols, steps, rate)
        print(f"rate {rate:g}, together: losses within {loss:.1e} nats per chunk, weights within {weight:.1e}")
        print(f"rate {rate:g}, apart: losses within {apart(ids, symbols, steps, rate):.1e} nats per chunk")
        if arguments.nudge:
            print(f"rate {rate:g}, script and nudged script: {nudged(ids, symbols, steps, rate):.1e} nats per chunk")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--learning-rate", type=float, nargs="+", default=[0.1, 0.01])
    parser.add_argument("--nudge", action="store_true", help="compare the script with itself, nudged by 1e-14")
    return parser.parse_args()


if __name__ == "__main__":
    main()
