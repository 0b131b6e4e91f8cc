"""The kind "translate": a sequence in, another sequence out. Sentences, spellings, dates: whatever stands in pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from unrolled.data import Parallel, Ragged, found, parallel, spelling_of
from unrolled.equations import Graph
from unrolled.errors import DataError
from unrolled.models import FrontConfig, Translator, TranslatorConfig, WriterConfig
from unrolled.runs.tasks.examples import ABOUT, ExamplesKind, in_parts, told
from unrolled.runs.tasks.kind import Asked, DataFile, Gathered, Prediction, Seen, ShouldStop, go_on
from unrolled.runs.tasks.translate_config import TranslateConfig
from unrolled.runs.tasks.translate_data import (
    LONGEST,
    AboutTranslation,
    Translated,
    encoded,
    read_pairs,
    stored_pairs,
    translated,
)
from unrolled.runs.tasks.translate_look import look_at_translations
from unrolled.runs.tasks.translate_score import TranslationScore, check_scorers, score_of
from unrolled.runs.tasks.translating import render

_PAIRS = "pairs.tsv"


@dataclass(frozen=True)
class Translation:
    """What a translator says of a source.

    log_probability: in nats. others: the next best ones with theirs, as many as the beam is wide, less one.
    """

    source: str
    text: str
    log_probability: float
    others: tuple[tuple[str, float], ...]

    def line(self) -> str:
        """The best one."""
        return self.text


class TranslateKind(ExamplesKind[TranslateConfig, AboutTranslation, Translated]):
    """An encoder reads the source, a writer writes the target, symbol by symbol."""

    name = "translate"
    subject = "pairs"
    reads = "a table of sources and targets, two files line by line, a .po or a .mo"
    config = TranslateConfig
    about_type = AboutTranslation
    files = (ABOUT, DataFile(_PAIRS, None))
    used_with = looked_with = frozenset({"beam", "length_penalty"})
    while_training = MappingProxyType({"beam": 1})

    def learner(self, about: AboutTranslation) -> str:
        """What learns, in words."""
        return f"a translator of {about.source.unit}s to {about.target.unit}s"

    def gather(self, config: TranslateConfig) -> Gathered[AboutTranslation, Translated]:
        """Read all pairs; the vocabularies come from those that are learned."""
        check_scorers()
        self.check_named(config)
        name, pairs = _read(config, config.data)
        rows = config.rows(len(pairs))[0]
        if not len(rows):
            raise DataError(f"{name} has {len(pairs)} pairs: none is left with --val-frac {config.val_frac:g}")
        cuts, size = config.cuts, config.vocab_size
        source = spelling_of((pairs[row].source for row in rows), cuts[0], size, lower=config.lower)
        target = spelling_of((pairs[row].target for row in rows), cuts[1], size, lower=config.lower)
        data = translated(source, target, pairs, config.max_length)
        longest = max(1, int(data.targets.lengths[rows].max()))
        about = AboutTranslation(name=name, examples=len(pairs), source=source, target=target, longest=longest)
        return self.gathered(about, data)

    def stored(self, data: Translated) -> bytes:
        """The texts, a pair a line."""
        return stored_pairs(data.texts)

    def data(self, folder: Path, about: AboutTranslation) -> Translated:
        """The pairs."""
        pairs = read_pairs(folder / _PAIRS)
        if len(pairs) != about.examples:
            raise DataError(f"{folder / _PAIRS} has {len(pairs)} pairs, {about.examples} were stored")
        return translated(about.source, about.target, pairs, LONGEST)

    def described(self, about: AboutTranslation) -> str:
        """Both vocabularies."""
        return " to ".join(f"{len(one):,} {one.unit}s" for one in (about.source, about.target))

    def model(self, config: TranslateConfig, about: AboutTranslation, graph: Graph) -> Translator:
        """A translator of such pairs."""
        front = FrontConfig(
            vocab_size=len(about.source),
            embedding_size=config.embedding_size,
            dropout=config.dropout,
            token_dropout=0.0 if about.source.unknown is None else config.token_dropout,
        )
        writer = WriterConfig(
            vocab_size=len(about.target),
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            dropout=config.dropout,
            context=config.context,
            attention=config.attention,
            tied=config.tied,
        )
        sizes = TranslatorConfig(
            front=front,
            writer=writer,
            bidirectional=config.directions_are_two,
            reverse_source=config.reverse_source,
            dropout=config.dropout,
            label_smoothing=config.label_smoothing,
        )
        return Translator(sizes, graph)

    def guessing(self, about: AboutTranslation) -> float:
        """Any symbol, or the end."""
        return math.log(len(about.target) + 1)

    def prepare(self, config: TranslateConfig, model: nn.Module) -> Callable[[int], None] | None:
        """How likely the writer is to read the truth, with scheduled sampling."""
        assert isinstance(model, Translator)
        return None if config.truth_decay is None else _inverse_sigmoid(model, config.truth_decay)

    def chosen_by(self, config: TranslateConfig) -> str | None:
        """As the options say, or the cut of the targets."""
        return config.score_name

    def lines(
        self,
        config: TranslateConfig,
        about: AboutTranslation,
        model: nn.Module,
        examples: Translated,
        should_stop: ShouldStop,
    ) -> list[str] | None:
        """What it says of each source, and what that is."""
        assert isinstance(model, Translator)
        said = render(model, about, examples.sources, examples.inputs, config.way, should_stop)
        if said is None:
            return None
        return [_told(about, one, ranked[0].text) for one, ranked in zip(examples.texts, said, strict=True)]

    def others(self, config: TranslateConfig, about: AboutTranslation, places: Sequence[str]) -> tuple[str, Translated]:
        """The pairs in these places."""
        name, pairs = _read(config, places)
        return name, translated(about.source, about.target, pairs, config.max_length)

    def score(
        self,
        config: TranslateConfig,
        about: AboutTranslation,
        model: nn.Module,
        examples: Translated,
        should_stop: ShouldStop = go_on,
    ) -> TranslationScore | None:
        """How near its translations are to those of the pairs."""
        assert isinstance(model, Translator)
        check_scorers()
        return score_of(model, about, examples, config.way, should_stop)

    def predict(
        self, config: TranslateConfig, about: AboutTranslation, model: nn.Module, places: Sequence[str]
    ) -> Iterator[Prediction]:
        """The best translation of each source, and the next best ones."""
        assert isinstance(model, Translator)
        with found(places) as sources:
            texts = parallel(sources, config.source_column, config.target_column, has_targets=False)
        inputs = Ragged.of(encoded(about.source, one.source, one.where, config.max_length) for one in texts)
        for some in in_parts(len(texts)):
            said = render(model, about, [texts[row].source for row in some], inputs.pick(some), config.way)
            assert said is not None, "nobody says stop"
            for row, ranked in zip(some, said, strict=True):
                others = tuple((other.text, other.log_probability) for other in ranked[1:])
                yield Translation(texts[row].source, ranked[0].text, ranked[0].log_probability, others)

    def legend(self, about: AboutTranslation) -> Mapping[str, Any]:
        """Both vocabularies, and the id that begins and ends what is written."""
        return {
            "source": about.source.model_dump(),
            "target": about.target.model_dump(),
            "boundary": len(about.target),
        }

    def seen(
        self,
        config: TranslateConfig,
        about: AboutTranslation,
        model: nn.Module,
        name: str,
        examples: Translated,
        asked: Asked,
    ) -> Seen:
        """Where it looks, pieces of the source that its units are about, gates, gradients."""
        assert isinstance(model, Translator)
        return look_at_translations(model, about, examples, config.way, name, asked)


def _inverse_sigmoid(model: Translator, k: int) -> Callable[[int], None]:
    """Sets the probability of the truth before each step: k / (k + exp(step / k)) (Bengio et al. 2015, section 2.4)."""

    def prepare(step: int) -> None:
        model.truth = k / (k + math.exp(min(step / k, 700.0)))

    return prepare


def _read(config: TranslateConfig, places: Sequence[str]) -> tuple[str, list[Parallel]]:
    """What pairs are called that stand in these places, and the pairs."""
    with found(places) as sources:
        name = ", ".join(place.name for place in sources)
        return name, parallel(sources, config.source_column, config.target_column)


def _told(about: AboutTranslation, pair: Parallel, said: str) -> str:
    is_right = about.target.cut(said) == about.target.cut(pair.target)
    return told(said, pair.target, is_right=is_right, source=pair.source)
