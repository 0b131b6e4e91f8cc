"""The kind "text": a language model of characters, bytes, words or pairs learns what comes next."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from unrolled import files
from unrolled.data import (
    Streams,
    Text,
    TextFile,
    Vocabulary,
    encode,
    found,
    read_vocabulary,
    reading,
    side_by_side,
    split,
    texts_of,
)
from unrolled.equations import Graph
from unrolled.errors import ConfigError, DataError
from unrolled.generation import Strategy, generate
from unrolled.models import LanguageModel, LanguageModelConfig
from unrolled.runs.events import Told
from unrolled.runs.tasks.kind import Asked, Contents, DataFile, Gathered, Kind, Observer, Seen, ShouldStop
from unrolled.runs.tasks.text_config import TextConfig
from unrolled.runs.tasks.text_divergence import Divergence
from unrolled.runs.tasks.text_look import look_at_text
from unrolled.runs.tasks.text_recipe import with_recipe
from unrolled.runs.tasks.text_score import TextScore, score_of, score_of_text
from unrolled.training import TextTask, seed_of

TOKENIZER, ABOUT, TEXT = "tokenizer.json", "text.json", "text.bin"

Texts = Sequence[Text]


@dataclass(frozen=True)
class AboutText:
    """A text and its vocabulary."""

    vocabulary: Vocabulary
    file: TextFile

    @property
    def name(self) -> str:
        """What the text is called."""
        return self.file.name

    @property
    def unit(self) -> str:
        """What a symbol is called."""
        return self.vocabulary.unit


class TextKind(Kind[TextConfig, AboutText, Texts]):
    """Truncated backpropagation through time over one long text, or several."""

    name = "text"
    reads = "texts: files, folders, globs, '-'; none: the source code of Python's own standard library"
    shows = "what it writes"
    uses = MappingProxyType(
        {
            "unrolled sample {run} --temperature 0.7": "let it write",
            "unrolled look {run}": "what is inside: a report with pictures",
            "unrolled eval {run} FILE": "how well it predicts another text",
            "unrolled export {run}": "files for ONNX Runtime, which need no Unrolled",
            "unrolled train FILE --minutes 5": "learn a text of yours",
        }
    )
    config = TextConfig
    files = (
        DataFile(
            TOKENIZER, 1 << 26, "Its symbols are too long: use --tokens pairs or characters, or a smaller --vocab-size"
        ),
        DataFile(ABOUT, 1 << 20, "Name a folder or a pattern in the place of many files"),
        DataFile(TEXT, None),
    )

    def learner(self, about: AboutText) -> str:
        """What learns, in words."""
        return f"a language model of {about.unit}s"

    def gather(self, config: TextConfig) -> Gathered[AboutText, Texts]:
        """Read the texts, and encode them; what was encoded before comes from the cache."""
        with found(config.data) as places:
            text = encode(places, config.tokens, config.vocab_size, config.mix)
        if text.about.kinds < 2:
            raise DataError(
                f"{text.about.name} holds only one kind of {text.vocabulary.unit}, {text.vocabulary.summary()}: there"
                " is nothing to learn. Give a text with at least two"
            )

        def contents() -> Contents:
            return {
                TOKENIZER: [text.vocabulary.to_json().encode("utf-8", "surrogatepass")],
                ABOUT: [text.about.to_json()],
                TEXT: files.blocks_of(text.path),
            }

        return Gathered(AboutText(text.vocabulary, text.about), text.texts(), contents)

    def about(self, files: Mapping[str, bytes], sizes: Mapping[str, int]) -> AboutText:
        """The vocabulary, and what the text is."""
        file = TextFile.model_validate_json(files[ABOUT])
        vocabulary = read_vocabulary(files[TOKENIZER])
        if sizes[TEXT] != sum(file.parts) * file.width or vocabulary.width != file.width:
            raise DataError(f"{TEXT} is not the text that {ABOUT} tells of")
        return AboutText(vocabulary, file)

    def data(self, folder: Path, about: AboutText) -> Texts:
        """The text's parts as ids."""
        return texts_of(folder / TEXT, about.file)

    def settled(self, config: TextConfig, gathered: Gathered[AboutText, Texts]) -> TextConfig:
        """Larger sizes where the text and the time allow."""
        return with_recipe(config, sum(map(len, gathered.data)))

    def model(self, config: TextConfig, about: AboutText, graph: Graph) -> LanguageModel:
        """A language model of that vocabulary."""
        return text_model(config, len(about.vocabulary), graph)

    def task(self, config: TextConfig, about: AboutText, data: Texts, model: nn.Module) -> TextTask:
        """The streams that are learned, and what is held out."""
        del about
        assert isinstance(model, LanguageModel)
        return text_task(config, model, data)

    def told(self, config: TextConfig, about: AboutText, task: object) -> Told:
        """How much of the text is learned, and where the held-out part lies."""
        assert isinstance(task, TextTask)
        file, unit = about.file, about.unit
        held_out = _held_out_symbols(config, task, file)
        skipped = f" ({file.skipped} others passed over: no UTF-8 text, or not to be read)" if file.skipped else ""
        many = f", {file.files} files{skipped}" if file.files > 1 or file.skipped else ""
        where = {"end": "the last {:,} are held out", "streams": "{:,} at the ends of the streams are held out"}
        rest = where[config.split].format(held_out) if held_out else "none are held out"
        words = f"{file.name}{many}: {sum(file.parts):,} {unit}s, {len(about.vocabulary)} different; {rest}"
        return Told(unit, sum(file.parts) - held_out, held_out, words)

    def show(
        self, config: TextConfig, about: AboutText, task: object, step: int, should_stop: ShouldStop
    ) -> str | None:
        """What the model writes; it starts after a newline, where the text has one."""
        assert isinstance(task, TextTask)
        prompt, _ = about.vocabulary.encode("\n")
        generator = torch.Generator().manual_seed(seed_of(config.seed, "sampling", step))
        strategy = Strategy(temperature=config.sample_temperature)
        ids = []
        for one in generate(task.model, prompt, config.sample_length, strategy, generator):
            if should_stop():
                return None
            ids.append(one)
        return about.vocabulary.decode(ids)

    def observers(self, config: TextConfig, data: Texts, model: nn.Module) -> Sequence[Observer]:
        """How far predictions are from those of n-gram models, if anybody wants to know."""
        assert isinstance(model, LanguageModel)
        return [Divergence(config, model, data)] if config.divergence else []

    def evaluate(
        self,
        config: TextConfig,
        about: AboutText,
        data: Callable[[], Texts],
        model: nn.Module,
        places: Sequence[str],
    ) -> TextScore:
        """How well it predicts the text."""
        assert isinstance(model, LanguageModel)
        if places:
            return score_of_text(model, about.vocabulary, places)
        if not config.val_frac:
            raise ConfigError("nothing was held out of this run's text: name another one, a FILE")
        held_out = text_task(config, model, data()).held_out
        return score_of(model, about.vocabulary, f"{about.name}, held out", held_out)

    def legend(self, about: AboutText) -> Mapping[str, Any]:
        """The vocabulary."""
        return {"vocabulary": json.loads(about.vocabulary.to_json())}

    def look(
        self, config: TextConfig, about: AboutText, data: Callable[[], Texts], model: nn.Module, asked: Asked
    ) -> Seen:
        """Cells, gates, gradients, and what was learned, while it reads."""
        assert isinstance(model, LanguageModel)
        return look_at_text(config, about.name, about.vocabulary, data(), model, asked)


def text_model(config: TextConfig, symbols: int, graph: Graph) -> LanguageModel:
    """A language model of so many symbols."""
    sizes = LanguageModelConfig(
        vocab_size=symbols,
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        dropout=config.dropout,
    )
    return LanguageModel(sizes, graph)


def text_task(config: TextConfig, model: LanguageModel, texts: Texts) -> TextTask:
    """A language model, the streams that it learns, and what is held out.

    Raises:
        DataError: a text too short for them.
    """
    if config.split == "streams":
        return _split_by_streams(config, model, texts)
    parts = [split(text, config.val_frac) for text in texts]
    held_out = [_held_out(end, text, config) for (_, end), text in zip(parts, texts, strict=True) if config.val_frac]
    starts = [start for start, _ in parts]
    if len(starts) == 1:
        streams = Streams.of(starts[0], config.batch_size, config.seq_length)
    else:
        streams = side_by_side(starts, config.batch_size, config.seq_length)
    return TextTask(model, streams, held_out, keep_state=config.keep_state)


def _split_by_streams(config: TextConfig, model: LanguageModel, texts: Texts) -> TextTask:
    """char-rnn's split: of each stream, the last chunks are held out."""
    if len(texts) > 1:
        raise DataError("--split streams is for one text: use --mix concatenated, or --split end")
    every = Streams.of(texts[0], config.batch_size, config.seq_length, wrap=True)
    if not config.val_frac:
        return TextTask(model, every, [], keep_state=config.keep_state)
    learned = int(every.chunks * (1 - config.val_frac))
    if not 0 < learned < every.chunks:
        raise DataError(
            f"the text has {every.chunks} chunks in each stream: too few to hold out {config.val_frac:g} of them and"
            " learn the others. Give more text, or a smaller --batch-size or --seq-length"
        )
    held_out = every.part(learned, every.chunks)
    return TextTask(model, every.part(0, learned), [held_out], keep_state=config.keep_state)


def _held_out(end: Text, text: Text, config: TextConfig) -> Streams:
    if len(end) < 2:
        raise DataError(
            f"the last {config.val_frac:g} of {len(text):,} symbols, held out for validation, are {len(end)}: too few"
            " to predict one. Give more text, or a larger --val-frac"
        )
    return reading(end)


def _held_out_symbols(config: TextConfig, task: TextTask, file: TextFile) -> int:
    if config.split == "streams":
        return sum(streams.chunks * streams.batch_size * streams.seq_length for streams in task.held_out)
    return sum(round(size * config.val_frac) for size in file.parts)
