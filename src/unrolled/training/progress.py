"""Where training stands, as numbers. Together with the tensors of a trainer this is all that a resume needs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from unrolled.training.config import MOST


class Best(BaseModel):
    """The best that the trained model came to on what is held out, and after how many steps.

    `loss`: in mean nats per token. `score`: that of the task, the higher the better; None: the loss says it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int = Field(ge=1, le=MOST)
    loss: float = Field(allow_inf_nan=False)
    score: float | None = Field(default=None, allow_inf_nan=False)

    @property
    def merit(self) -> tuple[float, float]:
        """What is compared: the score, and where it is the same, the loss."""
        return (0.0 if self.score is None else self.score, -self.loss)


class Progress(BaseModel):
    """What a trainer counts. `total` is None while a time limit has not been turned into steps yet.

    `looked_until` is the share that was done when the trainer last looked what was due: what lies between it and the
    share that is done now has become due. `evaluated_at` and `sampled_at` are the steps after which that was last
    done, -1: never. `since_best` counts the evaluations since the best one.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    step: int = Field(default=0, ge=0, le=MOST)
    total: int | None = Field(default=None, ge=1, le=MOST)
    evaluations: int = Field(ge=0, le=MOST)
    looked_until: float = Field(default=0.0, ge=0, le=1)
    evaluated_at: int = Field(default=-1, ge=-1)
    sampled_at: int = Field(default=-1, ge=-1)
    elapsed: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="seconds")
    first_loss: float | None = Field(default=None, allow_inf_nan=False)
    best: Best | None = None
    since_best: int = Field(default=0, ge=0, le=MOST)

    @model_validator(mode="after")
    def _nothing_ahead(self) -> Progress:
        """What was done lies behind, and the end ahead."""
        done = (self.evaluated_at, self.sampled_at, 0 if self.best is None else self.best.step)
        if max(done) > self.step or (self.total is not None and self.step > self.total):
            raise ValueError(f"step {self.step} lies before what was done, or behind the end")
        return self
