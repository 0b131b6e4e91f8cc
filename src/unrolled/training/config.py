"""How a model is trained, as data. Knows names and numbers only."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEFAULT_MINUTES = 1.5
MOST = 10**12  # of anything that is counted


class TrainingConfig(BaseModel):
    """One way to train. At most one of `steps`, `epochs` and `minutes` says how long; else a minute and a half.

    The learning rate rises over the first `warmup` steps, stays, and falls to zero over the last share `decay`.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    batch_size: int = Field(default=64, ge=1, description="streams of text, or examples, read side by side")
    optimizer: Literal["adamw", "rmsprop", "adagrad"] = "adamw"
    learning_rate: float = Field(default=8e-3, gt=0, le=1e3)
    weight_decay: float = Field(default=0.01, ge=0, le=1e3, description="of AdamW")
    warmup: int = Field(default=30, ge=0, le=MOST, description="steps in which the rate rises; at most a tenth of all")
    decay: float = Field(default=0.4, ge=0, le=1, description="share of the steps in which the rate falls")
    epoch_decay: float = Field(default=1.0, gt=0, le=1, description="what the rate is multiplied by after an epoch")
    epoch_decay_after: int = Field(default=10, ge=1, le=MOST, description="the first epoch after which it is")
    loss_reduction: Literal["mean", "sum"] = Field(
        default="mean", description="gradient of the loss's mean over a chunk's steps, or of its sum (char-rnn)"
    )
    grad_clip: float = Field(default=1.0, ge=0, allow_inf_nan=False, description="0: never")
    clip_mode: Literal["norm", "value"] = Field(
        default="norm", description="of the whole gradient, or element by element"
    )
    max_loss_ratio: float = Field(
        default=3.0, ge=0, allow_inf_nan=False, description="times the first loss, at which training stops; 0: never"
    )
    steps: int | None = Field(
        default=None, ge=1, le=MOST, description="how long: so many updates; without --epochs, --minutes: 1.5 minutes"
    )
    epochs: float | None = Field(default=None, gt=0, le=1e6, description="how long: so often through what is learned")
    minutes: float | None = Field(default=None, gt=0, le=1e6, description="how long: about so many")
    evaluations: int = Field(default=6, ge=1, le=MOST, description="how often what is held out is measured")
    patience: int = Field(
        default=0, ge=0, le=MOST, description="evaluations without a better one, after which training stops; 0: never"
    )
    samples: int = Field(default=5, ge=0, le=1000, description="how many samples show the training's progress")
    precision: Literal["float32", "bf16", "float64"] = Field(
        default="float32", description="bf16: weights are float32, matrices are multiplied in bfloat16"
    )
    seed: int = Field(default=1, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _one_length(self) -> TrainingConfig:
        """Lengths exclude each other; where none is given, the default limit of time holds."""
        given = [name for name in ("steps", "epochs", "minutes") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} each say how long to train: give one of them")
        if not given:
            self.minutes = DEFAULT_MINUTES
        return self
