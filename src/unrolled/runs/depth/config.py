"""What a comparison of depth is asked to do, as data. Trains nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from unrolled.data import as_names
from unrolled.training import MOST, TrainingConfig

Network = Literal["residual", "plain", "plain, He"]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda given: tuple(as_names(given)))]


class DepthConfig(TrainingConfig):
    """Everything that makes the comparison what it is.

    The network "plain, He" begins with He's initial values (see `layers.initialise`), the others with torch's.

    The defaults are for 4,000 digits; 600 steps of three networks take a minute and a half of one core.
    """

    data: Names = Field(strict=False, description="images that are learned, each with its label")
    measured: Names = Field(strict=False, description="others, by which they are measured")
    networks: tuple[Network, ...] = Field(
        default=("residual", "plain", "plain, He"), strict=False, min_length=1, description="in this order"
    )
    layers: int = Field(default=50, ge=4, le=10_000, description="with weights, in each network")
    channels: int = Field(default=16, ge=1, le=10_000, description="of each convolution")
    batch_size: int = Field(default=50, ge=1, description="images")
    learning_rate: float = Field(default=2e-3, gt=0, le=1e3)
    steps: int | None = Field(default=600, ge=1, le=MOST, description="updates of each network")
    evaluations: int = Field(default=12, ge=1, le=MOST, description="how often they are measured")
    samples: int = Field(default=0, ge=0, le=0, description="none are shown")
    precision: Literal["float32"] = "float32"

    @field_validator("layers")
    @classmethod
    def _is_even(cls, layers: int) -> int:
        if layers % 2:
            raise ValueError("a block has two layers: give an even number from 4 on")
        return layers

    @field_validator("data", "measured")
    @classmethod
    def _is_named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("name images: a corpus such as digits, an .npz, a table, or a folder of folders")
        return names
