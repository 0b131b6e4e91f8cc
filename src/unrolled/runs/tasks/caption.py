"""The kind "caption": an image in, a sentence out. Photographs, icons, drawings: whatever has texts that tell of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from unrolled.data import Picture, spelling_of
from unrolled.equations import Graph
from unrolled.errors import ConfigError, DataError
from unrolled.models import Captioner, CaptionerConfig, TellerConfig, ViewerConfig
from unrolled.runs.tasks.caption_config import CaptionConfig
from unrolled.runs.tasks.caption_data import (
    LONGEST,
    AboutCaptions,
    Captioned,
    captioned,
    read_captions,
    stored_captions,
)
from unrolled.runs.tasks.caption_look import look_at_captions
from unrolled.runs.tasks.caption_score import CaptionScore, check_scorer, score_of
from unrolled.runs.tasks.captioning import said_of, tell
from unrolled.runs.tasks.examples import ABOUT, ExamplesKind, in_parts, scale_of, told
from unrolled.runs.tasks.image_features import check_repeats, features_by
from unrolled.runs.tasks.kind import Asked, DataFile, Gathered, Prediction, Seen, ShouldStop, go_on
from unrolled.runs.tasks.pictured import OF_TABLES, colours, read_pictures, shape_of

_PICTURES = "pictures.safetensors"


@dataclass(frozen=True)
class Caption:
    """What a captioner says of an image.

    log_probability: in nats. others: the next best ones with theirs.
    """

    where: str
    text: str
    log_probability: float
    others: tuple[tuple[str, float], ...]

    def line(self) -> str:
        """The best one, and the image."""
        return f"{self.text}\t{self.where}"


class CaptionKind(ExamplesKind[CaptionConfig, AboutCaptions, Captioned]):
    """A convolutional network reads the image, a recurrent one tells of it, word by word."""

    name = "caption"
    subject = "captions"
    reads = (
        "a table (.tsv, .csv) of images and captions, COCO's .json, an .npz, or a corpus ('unrolled data get icons')"
    )
    config = CaptionConfig
    about_type = AboutCaptions
    files = (ABOUT, DataFile(_PICTURES, None))
    forgets = frozenset({"image_folder"})
    used_with = looked_with = frozenset({"beam", "length_penalty", "temperature"}) | OF_TABLES
    reads_with = OF_TABLES
    while_training = MappingProxyType({"beam": 1, "temperature": None})
    uses = MappingProxyType(
        {
            "unrolled predict {run} FILE": "what it says of images",
            "unrolled eval {run} FILE": "how good it is on others whose captions are known",
            "unrolled look {run}": "where it looks: a report with pictures",
        }
    )

    def learner(self, about: AboutCaptions) -> str:
        """What learns, in words."""
        return f"a captioner that says {about.unit}s"

    def gather(self, config: CaptionConfig) -> Gathered[AboutCaptions, Captioned]:
        """Read all images; the vocabulary comes from the captions that are learned."""
        check_scorer()
        self.check_named(config)
        found = read_pictures(config, config.data)
        name, read = found.name, found.pictures
        rows = config.rows(len(read))[0]
        if not len(rows):
            raise DataError(f"{name} has {len(read)} images: none is left with --val-frac {config.val_frac:g}")
        texts = (text for row in rows for text in read[row].texts)
        spelling = spelling_of(texts, config.tokens, config.vocab_size, lower=config.lower)
        features = features_by(config.encoder, read)
        if config.encoder is not None:
            check_repeats(config.encoder)
        data = captioned(spelling, read, config.max_length, None if features is None else features.values)
        longest = max(len(spelling.cut(text)) for row in rows for text in read[row].texts)
        mean, deviation = scale_of([data.pixels[rows]])
        about = AboutCaptions(
            name=name,
            examples=len(read),
            spelling=spelling,
            longest=longest,
            frame=shape_of(read),
            mean=mean,
            deviation=deviation,
            encoder=config.encoder,
            made_by="" if features is None else features.made_by,
            features=0 if features is None else features.values.shape[2],
            grid=None if features is None else (features.rows, features.columns),
            cut=found.cut,
            passed_over=found.passed_over,
        )
        return self.gathered(about, data)

    def stored(self, data: Captioned) -> bytes:
        """The images and their captions."""
        return stored_captions(data)

    def data(self, folder: Path, about: AboutCaptions) -> Captioned:
        """The same again."""
        return read_captions(folder / _PICTURES, about)

    def described(self, about: AboutCaptions) -> str:
        """The words, and the size of the images."""
        through = f" through {about.encoder}" if about.encoder else ""
        return f"{len(about.spelling):,} {about.unit}s of {colours(about.frame)}{through}"

    def model(self, config: CaptionConfig, about: AboutCaptions, graph: Graph) -> Captioner:
        """A captioner of such images."""
        viewer = (
            ViewerConfig(features=about.features, grid=about.grid, dropout=config.encoder_dropout)
            if about.features
            else ViewerConfig(
                frame=about.frame,
                size=config.encoder_size,
                blocks=config.blocks,
                mean=about.mean,
                deviation=about.deviation,
                shift=config.shift,
                dropout=config.encoder_dropout,
            )
        )
        teller = TellerConfig(
            vocab_size=len(about.spelling),
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            dropout=config.dropout,
            image=config.image,
            spread=config.spread,
            reward=config.reward,
            entropy=config.entropy,
            mixing=config.mixing,
        )
        return Captioner(CaptionerConfig(viewer=viewer, teller=teller, label_smoothing=config.label_smoothing), graph)

    def guessing(self, about: AboutCaptions) -> float:
        """Any piece, or the end."""
        return math.log(len(about.spelling) + 1)

    def chosen_by(self, config: CaptionConfig) -> str | None:
        """As the options say."""
        return config.score_name

    def lines(
        self,
        config: CaptionConfig,
        about: AboutCaptions,
        model: nn.Module,
        examples: Captioned,
        should_stop: ShouldStop,
    ) -> list[str] | None:
        """What it says of each image, and what that is."""
        assert isinstance(model, Captioner)
        found = tell(model, about, examples, config.way, should_stop)
        if found is None:
            return None
        return [_told(about, texts, said) for texts, said in zip(examples.texts, said_of(found), strict=True)]

    def others(self, config: CaptionConfig, about: AboutCaptions, places: Sequence[str]) -> tuple[str, Captioned]:
        """The images in these places, and their captions."""
        read = read_pictures(config, places, about.frame)
        return read.name, _as_learned(about, read.pictures)

    def score(
        self,
        config: CaptionConfig,
        about: AboutCaptions,
        model: nn.Module,
        examples: Captioned,
        should_stop: ShouldStop = go_on,
    ) -> CaptionScore | None:
        """How near its captions are to those of the images."""
        assert isinstance(model, Captioner)
        check_scorer()
        return score_of(model, about, examples, config.way, should_stop)

    def predict(
        self, config: CaptionConfig, about: AboutCaptions, model: nn.Module, places: Sequence[str]
    ) -> Iterator[Prediction]:
        """The best caption of each image, and the next best ones."""
        assert isinstance(model, Captioner)
        read = read_pictures(config, places, about.frame, has_texts=False).pictures
        for rows in in_parts(len(read)):
            some = _as_learned(about, [read[row] for row in rows])
            found = tell(model, about, some, config.way)
            assert found is not None, "nobody says stop"
            for where, (best, *rest) in zip(some.wheres, found, strict=True):
                others = tuple((other.text, other.log_probability) for other in rest)
                yield Caption(where, best.text, best.log_probability, others)

    def unanswered(
        self, config: CaptionConfig, about: AboutCaptions, model: nn.Module, places: Sequence[str]
    ) -> tuple[str, Captioned]:
        """Images without captions, as if what it says were read."""
        assert isinstance(model, Captioner)
        read = read_pictures(config, places, about.frame, has_texts=False)
        images = _as_learned(about, read.pictures)
        found = tell(model, about, images, config.way)
        assert found is not None, "nobody says stop"
        return read.name, images.said([about.spelling.ids(ranked[0].pieces) for ranked in found], len(about.spelling))

    def legend(self, about: AboutCaptions) -> Mapping[str, Any]:
        """The words, and the id that begins and ends what is said."""
        return {"target": about.spelling.model_dump(), "boundary": len(about.spelling)}

    def seen(
        self,
        config: CaptionConfig,
        about: AboutCaptions,
        model: nn.Module,
        name: str,
        examples: Captioned,
        asked: Asked,
    ) -> Seen:
        """Where it looks, the best and the worst captions, gates, gradients."""
        assert isinstance(model, Captioner)
        return look_at_captions(model, about, examples, config.way, name, asked)


def _as_learned(about: AboutCaptions, read: Sequence[Picture]) -> Captioned:
    """Pictures as the model reads them."""
    features = features_by(about.encoder, read)
    if features is None:
        return captioned(about.spelling, read, LONGEST)
    if features.made_by != about.made_by:
        raise ConfigError(
            f"the encoder {about.encoder} is another one now than that whose features were learned: its text or its"
            " weights have changed. Bring the old one back, or train again"
        )
    return captioned(about.spelling, read, LONGEST, features.values)


def _told(about: AboutCaptions, texts: Sequence[str], said: str) -> str:
    is_right = any(about.spelling.cut(said) == about.spelling.cut(one) for one in texts)
    return told(said, texts[0], is_right=is_right)
