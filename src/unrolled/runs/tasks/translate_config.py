"""The options of a translator. Knows names and numbers only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from unrolled.data import Cut
from unrolled.generation import Beam
from unrolled.layers import Scoring
from unrolled.models import Context
from unrolled.runs.tasks.examples import ExamplesConfig
from unrolled.runs.tasks.translate_data import LONGEST


class TranslateConfig(ExamplesConfig):
    """Everything that makes a run on pairs what it is."""

    task: Literal["translate"] = Field(default="translate", description="what is learned")
    source_column: str | None = Field(default=None, description="of a table: its name, or number from 1")
    target_column: str | None = Field(default=None, description="of a table: its name, or number from 1")
    tokens: Cut = "words"
    target_tokens: Cut | None = Field(default=None, description="of the targets, if others than --tokens")
    vocab_size: int = Field(default=10_000, ge=2, le=1_000_000, description="of words, characters and pairs")
    lower: bool = Field(default=False, description="capital letters are read as small ones")
    max_length: int = Field(default=200, ge=1, le=LONGEST, description="pieces of a source or a target")
    context: Context = Field(
        default="attention", description="how the writer knows the source: by attention, one fixed vector, or its state"
    )
    attention: Scoring = Field(default="general", description="how a place of the source is scored")
    tied: bool = Field(default=True, description="read out by the embedding's own matrix")
    reverse_source: bool = Field(default=False, description="read the source from its end (Sutskever et al. 2014)")
    bidirectional: bool | None = Field(default=None, description="read from the end, too; not with --context state")
    truth_decay: int | None = Field(
        default=None, ge=1, le=10**9, description="scheduled sampling: k of the inverse sigmoid; none: teacher forcing"
    )
    label_smoothing: float = Field(default=0.1, ge=0, lt=1, description="share of the truth spread over all pieces")
    token_dropout: float = Field(default=0.05, ge=0, lt=1, description="share of words read as unknown while training")
    cell: str = "lstm"
    embedding_size: int = Field(default=256, ge=1, le=1_000_000)
    hidden_size: int = Field(default=256, ge=1, le=1_000_000, description="units")
    dropout: float = Field(default=0.2, ge=0, lt=1)
    learning_rate: float = Field(default=4e-3, gt=0, le=1e3)
    beam: int = Field(default=5, ge=1, le=1_000, description="how many unfinished translations are followed; 1: greedy")
    length_penalty: float = Field(
        default=1.0, ge=0, le=10, description="power of the length that scores are divided by"
    )
    chosen_by: Literal["BLEU", "chrF", "exact", "nats"] | None = Field(
        default=None, description="the best weights; none: chrF of words and pairs, else exact matches"
    )

    @model_validator(mode="after")
    def _fits(self) -> TranslateConfig:
        if self.context == "state" and self.bidirectional:
            raise ValueError("with --context state the source is read in one direction: leave --bidirectional out")
        if self.lower and "pairs" in self.cuts:
            raise ValueError("byte pairs have capital letters of their own: leave --lower out")
        return self

    @property
    def way(self) -> Beam:
        """How translations are looked for."""
        return Beam(self.beam, self.length_penalty)

    @property
    def cuts(self) -> tuple[Cut, Cut]:
        """What sources and targets are cut into."""
        return self.tokens, self.target_tokens or self.tokens

    @property
    def directions_are_two(self) -> bool:
        """Whether the source is read from both ends."""
        return self.context != "state" if self.bidirectional is None else self.bidirectional

    @property
    def score_name(self) -> str | None:
        """The score by which the best weights are chosen; None: the loss."""
        by = self.chosen_by or ("exact" if self.cuts[1] == "characters" else "chrF")
        return {"BLEU": "BLEU", "chrF": "chrF", "exact": "exact match", "nats": None}[by]
