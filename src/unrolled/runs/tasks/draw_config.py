"""The options of a drawer. Knows names and numbers only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unrolled.runs.tasks.pictured import ImagesConfig


class DrawConfig(ImagesConfig):
    """Everything that makes a run on images that are drawn what it is."""

    task: Literal["draw"] = Field(default="draw", description="what is learned")
    image_size: int = Field(default=28, ge=1, le=4096, description="height and width that files of images are given")
    image_channels: Literal["grey", "rgb"] = Field(default="grey", description="that files of images are given")
    threshold: int = Field(
        default=128, ge=0, le=255, description="a pixel so bright is 1, else 0, always the same; 0: brightness / 255"
    )
    shift: float = Field(default=1.0, ge=0, le=4096, description="pixels that images are moved by while learned")
    turn: float = Field(default=10.0, ge=0, le=180, description="degrees that images are turned by while learned")
    strokes: int = Field(default=10, ge=1, le=10_000, description="T: how often it looks and draws")
    latent_size: int = Field(default=50, ge=1, le=1_000_000, description="numbers that are drawn for each stroke")
    read_size: int = Field(default=0, ge=0, le=4096, description="N of the N x N filters it reads by; 0: all pixels")
    write_size: int = Field(default=0, ge=0, le=4096, description="N of the N x N filters it writes by; 0: all pixels")
    draws: int = Field(default=1, ge=1, le=10_000, description="how often each image is drawn where it is measured")
    cell: str = "lstm"
    embedding_size: int = Field(default=0, ge=0, le=0, description="images have none")
    batch_size: int = Field(default=50, ge=1, description="images drawn side by side")
    learning_rate: float = Field(default=4e-3, gt=0, le=1e3)
