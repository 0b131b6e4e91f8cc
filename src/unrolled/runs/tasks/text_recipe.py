"""How large a model is, where nobody says: by how often it will read its text in the time there is. Trains nothing.

A model that is small for its time learns its text by heart; one that is large does not get through it. Where the sizes
come from: benchmarks/SPEED.md.
"""

from __future__ import annotations

from typing import NamedTuple

from unrolled.runs.tasks.text_config import TextConfig


class Recipe(NamedTuple):
    """Sizes that go together; `speed`: about how many symbols a second, on two cores."""

    hidden_size: int
    dropout: float
    learning_rate: float
    speed: float


RECIPES = (
    Recipe(256, 0.0, 8e-3, 130_000),
    Recipe(384, 0.3, 8e-3, 65_000),
    Recipe(512, 0.4, 6e-3, 45_000),
    Recipe(768, 0.4, 4.5e-3, 23_000),
)
_EPOCHS = 14  # more of them are better spent on a larger model
_SYMBOLS = 1_300  # of the text for each unit: a short text is learned by heart whatever the model drops
_SAID = {"cell", "hidden_size", "num_layers", "dropout", "learning_rate", "optimizer", "steps", "epochs"}


def with_recipe(config: TextConfig, symbols: int) -> TextConfig:
    """The config with sizes that suit a text of so many symbols, if it says none and how long to train in minutes.

    Where the cell, units, layers, dropout, learning rate, optimizer or the number of steps is given, all are as they
    are.
    """
    if config.minutes is None or config.model_fields_set & _SAID:
        return config
    symbols = max(1, round(symbols * (1 - config.val_frac)))
    chosen = RECIPES[0]
    for larger in RECIPES[1:]:
        if chosen.speed * 60 * config.minutes > _EPOCHS * symbols and symbols >= _SYMBOLS * larger.hidden_size:
            chosen = larger
    wanted = {"hidden_size": chosen.hidden_size, "dropout": chosen.dropout, "learning_rate": chosen.learning_rate}
    return config.model_copy(update=wanted)
