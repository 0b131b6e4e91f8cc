"""The options of recurrent visual attention. Knows names and numbers only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, model_validator

from unrolled.models import Aim
from unrolled.runs.tasks.pictured import PicturesConfig

_GLIMPSES = {"ram": 8, "dram": 4, "draw": 8}
_CONTEXT = 12  # pixels of a side of what the whole image becomes
OF_PATCHES = ("scales", "scale_factor", "reach", "feature_size")
OF_CHANCE = ("looks", "deviation", "rewarded", "reward", "tries", "explore")


class GlimpseConfig(PicturesConfig):
    """Everything that makes a run on images that are looked at in glimpses what it is."""

    task: Literal["glimpse"] = Field(default="glimpse", description="what is learned")
    image_channels: Literal["grey", "rgb"] = Field(default="grey", description="that files of images are given")
    network: Literal["ram", "dram", "draw"] = Field(
        default="ram",
        description="ram: one recurrent layer (Mnih et al. 2014); dram: a second one chooses where to look (Ba et al."
        " 2015); draw: one layer reads through a window of Gaussian filters, learned by gradient (Gregor et al. 2015)",
    )
    overview: bool | None = Field(default=None, description="dram: the whole image, made small, says where to begin")
    looks: Aim = Field(default="learned", description="where it looks; centre and random to compare with")
    glimpses: int | None = Field(
        default=None, ge=1, le=1_000, description="for each object; none: 8, with --network dram 4"
    )
    glimpse_size: int = Field(
        default=12, ge=1, le=1_000, description="pixels of a side of what is seen; of draw, filters"
    )
    scales: int = Field(default=3, ge=1, le=16, description="patches around a place, each wider than the one before")
    scale_factor: int = Field(default=2, ge=1, le=16, description="how many times as wide")
    reach: float = Field(default=1.0, gt=0, le=10, description="of a half side: how far from the middle it can look")
    feature_size: int = Field(default=128, ge=1, le=1_000_000, description="units that read a glimpse")
    deviation: float = Field(
        default=0.2, gt=0, le=10, description="of locations while they are learned, of a half side"
    )
    asked: Literal["last", "every"] = Field(
        default="every", description="while training, what is seen after each object's last glimpse, or after every one"
    )
    rewarded: Literal["right", "chance"] = Field(
        default="chance", description="1 if the answer is right, or the probability of the right one"
    )
    reward: float = Field(default=1.0, ge=0, le=1e6, description="how much the reward counts beside the loss")
    explore: float = Field(
        default=0.0, ge=0, le=1, description="share of the ways in which it looks at random while training"
    )
    tries: int = Field(default=1, ge=1, le=1_000, description="ways in which an image is looked at while training")
    runs: int = Field(default=1, ge=1, le=1_000, description="ways in which it is looked at in use; 1: no chance in it")
    cell: str = "lstm"
    embedding_size: int = Field(default=0, ge=0, le=0, description="images have none")
    num_layers: int = Field(default=1, ge=1, le=1, description="one on the other")
    dropout: float = Field(default=0.0, ge=0, le=0, description="there is none between glimpses")
    hidden_size: int = Field(default=128, ge=1, le=1_000_000, description="units")
    batch_size: int = Field(default=64, ge=1, description="streams of text, or examples, read side by side")
    learning_rate: float = Field(default=2e-3, gt=0, le=1e3)

    @model_validator(mode="after")
    def _overview_has_a_layer(self) -> GlimpseConfig:
        if self.overview and self.network != "dram":
            raise ValueError("--overview is for --network dram, whose second layer it starts")
        return self

    @model_validator(mode="after")
    def _a_window_is_one_and_moves_by_itself(self, info: ValidationInfo) -> GlimpseConfig:
        if self.network == "draw":
            self.leave_out(
                OF_PATCHES, "with --network draw the recurrent layer reads one patch, through a window", info
            )
            self.leave_out(
                (*OF_CHANCE, "runs"), "with --network draw no place is drawn, and none is learned by reward", info
            )
        return self

    @model_validator(mode="after")
    def _one_patch_has_no_wider_one(self, info: ValidationInfo) -> GlimpseConfig:
        if self.scales == 1:
            self.leave_out(("scale_factor",), "with --scales 1 there is no wider patch", info)
        return self

    @model_validator(mode="after")
    def _nothing_is_learned_of_places_that_are_not_chosen(self, info: ValidationInfo) -> GlimpseConfig:
        if self.looks != "learned":
            of_choice = ("deviation", "rewarded", "reward", "explore")
            alike = ("tries", "runs") if self.looks == "centre" else ()
            self.leave_out((*of_choice, *alike), f"with --looks {self.looks} no place is chosen", info)
        return self

    @property
    def context_size(self) -> int:
        """Pixels of a side of what the whole image becomes; 0: it is not used."""
        return _CONTEXT if self.network == "dram" and self.overview is not False else 0

    @property
    def glimpses_each(self) -> int:
        """Glimpses for each object."""
        return self.glimpses or _GLIMPSES[self.network]
