"""From options to a model and its task. Introduces data, models and training to each other; writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unrolled.data import Streams, Text, TextFile, reading, side_by_side, split
from unrolled.equations import Graph
from unrolled.errors import ConfigError, DataError
from unrolled.models import LanguageModel, LanguageModelConfig
from unrolled.runs.config import RunConfig
from unrolled.training import TextTask

_CHAR_RNN = 0.08  # its parameters come from U(-0.08, 0.08)
_GIST = 0.01  # min-char-rnn's matrices come from N(0, 0.01), its biases are zero


@contextmanager
def torch_as_it_is() -> Iterator[None]:
    """After the block, torch has the default type and device that it had, and keeps gradients if it did."""
    dtype, device, grad = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        torch.set_grad_enabled(grad)


def made_model(config: RunConfig, symbols: int, graph: Graph) -> LanguageModel:
    """The model that the options describe; its weights come from torch's default generator.

    Raises:
        ConfigError: it would need more memory than this machine has.
    """
    model_on_meta(config, symbols, graph)
    return _model(config, symbols, graph)


_COPIES = 4  # of the weights while training: themselves, their gradients, and two moments of AdamW


def model_on_meta(config: RunConfig, symbols: int, graph: Graph) -> LanguageModel:
    """The model without memory, after a check that one with memory would fit.

    Raises:
        ConfigError: these sizes make no model, or one that would need more memory than this machine has.
    """
    smaller = "Give a smaller --hidden-size, --num-layers or --embedding-size"
    try:
        with torch.device("meta"):
            model = _model(config, symbols, graph)
    except (RuntimeError, OverflowError) as error:
        raise ConfigError(f"a model of these sizes cannot be made: {error}. {smaller}") from error
    needed = sum(one.numel() * one.element_size() for one in model.parameters()) * _COPIES
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise ConfigError(
            f"training these parameters takes at least {needed / 2**30:,.0f} GiB, this machine has"
            f" {memory / 2**30:,.0f}. {smaller}"
        )
    return model


def _model(config: RunConfig, symbols: int, graph: Graph) -> LanguageModel:
    sizes = LanguageModelConfig(
        vocab_size=symbols,
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        dropout=config.dropout,
    )
    return LanguageModel(sizes, graph).to(torch.float64 if config.precision == "float64" else torch.float32)


def initialised(config: RunConfig, symbols: int, graph: Graph) -> LanguageModel:
    """A model with the initial values that the options ask for: those that follow `torch.manual_seed(seed)`.

    Raises:
        ConfigError: it would need more memory than this machine has.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = made_model(config, symbols, graph)
        if config.init != "cell":
            _draw_again(model, config.init)
    return model


@torch.no_grad()
def _draw_again(model: LanguageModel, init: str) -> None:
    """The initial values of char-rnn, or of min-char-rnn, wherever the cell states none of its own."""
    for parameter in model.parameters():
        if init == "uniform":
            parameter.uniform_(-_CHAR_RNN, _CHAR_RNN)
        elif parameter.dim() > 1:
            parameter.normal_(0.0, _GIST)
        else:
            parameter.zero_()
    model.rnn.reset_parameters(only_stated=True)


def text_task(config: RunConfig, model: LanguageModel, texts: list[Text]) -> TextTask:
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


def _split_by_streams(config: RunConfig, model: LanguageModel, texts: list[Text]) -> TextTask:
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


def _held_out(end: Text, text: Text, config: RunConfig) -> Streams:
    if len(end) < 2:
        raise DataError(
            f"the last {config.val_frac:g} of {len(text):,} symbols, held out for validation, are {len(end)}: too few"
            " to predict one. Give more text, or a larger --val-frac"
        )
    return reading(end)


def held_out_symbols(config: RunConfig, task: TextTask, about: TextFile) -> int:
    """How many symbols are held out."""
    if config.split == "streams":
        return sum(streams.chunks * streams.batch_size * streams.seq_length for streams in task.held_out)
    return sum(round(size * config.val_frac) for size in about.parts)
