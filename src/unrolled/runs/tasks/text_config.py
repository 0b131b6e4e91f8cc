"""The options of a language model. Knows names and numbers only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from unrolled.data import Mix, Tokens
from unrolled.runs.config import RunConfig
from unrolled.training import MOST


class TextConfig(RunConfig):
    """Everything that makes a run on text what it is."""

    task: Literal["text"] = Field(default="text", description="what is learned")
    seq_length: int = Field(default=64, ge=1, description="steps of a chunk: how far gradients reach back")
    mix: Mix = Field(
        default="concatenated", description="several texts one after the other, or side by side in proportion to size"
    )
    tokens: Tokens = "characters"
    vocab_size: int = Field(default=2000, ge=2, le=1_000_000, description="of words and pairs")
    split: Literal["end", "streams"] = Field(
        default="end", description="held out is the end of each text, or of each stream (char-rnn)"
    )
    keep_state: bool = Field(default=False, description="carry the states over the end of the text (char-rnn)")
    sample_length: int = Field(default=300, ge=1, le=MOST)
    sample_temperature: float = Field(default=0.8, ge=0, allow_inf_nan=False)
    divergence: int = Field(
        default=0,
        ge=0,
        le=20,
        description="orders of n-gram models that predictions are held against at each evaluation; 0: none",
    )

    @model_validator(mode="after")
    def _something_to_diverge_on(self) -> TextConfig:
        """Predictions are held against n-grams on a piece of held-out text that is read as a whole."""
        if self.divergence and (self.split != "end" or not self.val_frac):
            raise ValueError(
                f"divergence = {self.divergence} needs a piece of held-out text: leave split at end, val_frac above 0"
            )
        return self
