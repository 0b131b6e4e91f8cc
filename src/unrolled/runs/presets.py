"""Named sets of options: the settings of scripts that people know. Knows options, trains nothing."""

from __future__ import annotations

from typing import Any

from unrolled.errors import ConfigError, did_you_mean

_PRESETS: dict[str, dict[str, Any]] = {
    # Karpathy's char-rnn (train.lua). Its gradient is that of the sum over the steps of a chunk, for which its clip
    # of 5 is meant; one of the two forget biases starts at 1. Not kept: its resume sets a learned forget bias back
    # to 1. Its GRU is our gru_v3.
    "char-rnn": {
        "cell": "lstm(forget_bias=1.0)", "hidden_size": 128, "num_layers": 2, "embedding_size": 0, "init": "uniform",
        "batch_size": 50, "seq_length": 50, "split": "streams", "val_frac": 0.05, "keep_state": True,
        "optimizer": "rmsprop", "learning_rate": 2e-3, "warmup": 0, "decay": 0.0,
        "epoch_decay": 0.97, "epoch_decay_after": 10, "loss_reduction": "sum", "clip_mode": "value", "grad_clip": 5.0,
        "epochs": 50.0, "evaluations": 21, "seed": 123,
    },
    # Karpathy's gist min-char-rnn.py: a vanilla RNN with one bias, one stream, no text held out.
    "min-char-rnn": {
        "cell": 'rnn(bias="shared")', "hidden_size": 100, "num_layers": 1, "embedding_size": 0, "init": "normal",
        "batch_size": 1, "seq_length": 25, "val_frac": 0.0,
        "optimizer": "adagrad", "learning_rate": 1e-1, "warmup": 0, "decay": 0.0,
        "loss_reduction": "sum", "clip_mode": "value", "grad_clip": 5.0, "max_loss_ratio": 0.0, "sample_length": 200,
        "sample_temperature": 1.0,
    },
}  # fmt: skip


def preset(name: str) -> dict[str, Any]:
    """The options of a preset.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in _PRESETS:
        raise ConfigError(
            f"there is no preset {name!r}: {', '.join(_PRESETS)} are there.{did_you_mean(name, _PRESETS)}"
        )
    return dict(_PRESETS[name])
