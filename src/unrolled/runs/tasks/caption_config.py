"""The options of a captioner. Knows names and numbers only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, model_validator

from unrolled.data import Cut
from unrolled.generation import Beam, Strategy
from unrolled.layers import Blocks
from unrolled.models import ATTENDS, Entry
from unrolled.runs.tasks.caption_data import LONGEST
from unrolled.runs.tasks.pictured import PicturesConfig


class CaptionConfig(PicturesConfig):
    """Everything that makes a run on captioned images what it is."""

    task: Literal["caption"] = Field(default="caption", description="what is learned")
    blocks: Blocks = Field(default="residual", description="of the convolutional network that reads images")
    encoder_size: int = Field(
        default=128, ge=8, le=100_000, multiple_of=8, description="numbers of each place of an image"
    )
    encoder: str | None = Field(
        default=None,
        description="a network that is trained already and stays as it is: efficientnet-lite0, or file.py:function that"
        " returns one; none: a small one learns with the rest",
    )
    encoder_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="share of an image's numbers that are dropped while training"
    )
    shift: int = Field(default=2, ge=0, le=64, description="pixels by which images are moved at most, while training")
    image: Entry = Field(
        default="soft",
        description="how the image is known: beside the first word or every one, as the first state, as a first word,"
        " or by soft or hard attention",
    )
    spread: float = Field(default=1.0, ge=0, le=1e6, description="of attention: what it costs to leave places out")
    reward: float = Field(default=0.1, ge=0, le=1e6, description="of hard attention: how much the reward counts")
    entropy: float = Field(default=0.002, ge=0, le=1e6, description="of hard attention: how much the entropy counts")
    mixing: float = Field(default=0.8, ge=0, le=1, description="of hard attention: share of steps that look softly")
    tokens: Cut = "words"
    vocab_size: int = Field(default=10_000, ge=2, le=1_000_000, description="of words, characters and pairs")
    lower: bool = Field(default=False, description="capital letters are read as small ones")
    max_length: int = Field(default=60, ge=1, le=LONGEST, description="pieces of a caption")
    label_smoothing: float = Field(default=0.1, ge=0, lt=1, description="share of the truth spread over all pieces")
    cell: str = "lstm"
    embedding_size: int = Field(default=128, ge=1, le=1_000_000)
    hidden_size: int = Field(default=256, ge=1, le=1_000_000, description="units")
    dropout: float = Field(default=0.5, ge=0, lt=1)
    weight_decay: float = Field(default=0.05, ge=0, le=1e3, description="of AdamW")
    learning_rate: float = Field(default=3e-3, gt=0, le=1e3)
    beam: int = Field(default=3, ge=1, le=1_000, description="how many unfinished captions are followed; 1: greedy")
    length_penalty: float = Field(
        default=0.0, ge=0, le=10, description="power of the length that scores are divided by"
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="captions are drawn, not searched for: below 1 likelier ones",
    )
    chosen_by: Literal["BLEU", "CIDEr", "F1", "exact", "nats"] = Field(default="F1", description="the best weights")

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> CaptionConfig:
        if self.lower and self.tokens == "pairs":
            raise ValueError("byte pairs have capital letters of their own: leave --lower out")
        if self.encoder is not None:
            self.leave_out(("encoder_size", "blocks", "shift"), "the network of --encoder stays as it is", info)
        if not self.attends:
            self.leave_out(("spread",), f"with --image {self.image} nothing is attended to", info)
        if self.image != "hard":
            self.leave_out(("reward", "entropy", "mixing"), "no place is drawn but with --image hard", info)
        if self.temperature is not None:
            self.leave_out(("beam", "length_penalty"), "with --temperature captions are drawn, not searched for", info)
        return self

    @property
    def way(self) -> Beam | Strategy:
        """How captions are found."""
        if self.temperature is None:
            return Beam(self.beam, self.length_penalty)
        return Strategy(self.temperature)

    @property
    def score_name(self) -> str | None:
        """The score by which the best weights are chosen; None: the loss."""
        names = {"BLEU": "BLEU-4", "CIDEr": "CIDEr-D", "F1": "word F1", "exact": "exact match", "nats": None}
        return names[self.chosen_by]

    @property
    def attends(self) -> bool:
        """Whether it looks at places of the image."""
        return self.image in ATTENDS
