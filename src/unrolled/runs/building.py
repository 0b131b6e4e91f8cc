"""From options to a model: made, checked against the machine's memory, given its initial values. Writes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from unrolled.errors import ConfigError
from unrolled.layers import Recurrent
from unrolled.runs.config import RunConfig

_CHAR_RNN = 0.08  # its parameters come from U(-0.08, 0.08)
_GIST = 0.01  # min-char-rnn's matrices come from N(0, 0.01), its biases are zero
_COPIES = 4  # of the weights while training: themselves, their gradients, and two moments of AdamW

Model = TypeVar("Model", bound=nn.Module)


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


def made_model(config: RunConfig, make: Callable[[], Model]) -> Model:
    """The model, in the options' precision; its weights come from torch's default generator.

    Raises:
        ConfigError: it would need more memory than this machine has.
    """
    model_on_meta(config, make)
    return _typed(config, make())


def model_on_meta(config: RunConfig, make: Callable[[], Model]) -> Model:
    """The model without memory, after a check that one with memory would fit.

    Raises:
        ConfigError: these sizes make no model, or one that would need more memory than this machine has.
    """
    smaller = "Give a smaller --hidden-size, --num-layers or --embedding-size"
    try:
        with torch.device("meta"):
            model = _typed(config, make())
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


def _typed(config: RunConfig, model: Model) -> Model:
    return model.to(torch.float64 if config.precision == "float64" else torch.float32)


def initialised(config: RunConfig, make: Callable[[], Model]) -> Model:
    """A model with the initial values that the options ask for: those that follow `torch.manual_seed(seed)`.

    Raises:
        ConfigError: it would need more memory than this machine has.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = made_model(config, make)
        if config.init != "cell":
            _draw_again(model, config.init)
    return model


_NORMS = (nn.GroupNorm, nn.LayerNorm)


@torch.no_grad()
def _draw_again(model: nn.Module, init: str) -> None:
    """The initial values of char-rnn, or of min-char-rnn, wherever the cell states none of its own.

    Gains and biases of norms stay: with gains of zero nothing before them could ever learn.
    """
    of_norms = {id(one) for norm in model.modules() if isinstance(norm, _NORMS) for one in norm.parameters()}
    for parameter in model.parameters():
        if id(parameter) in of_norms:
            continue
        if init == "uniform":
            parameter.uniform_(-_CHAR_RNN, _CHAR_RNN)
        elif parameter.dim() > 1:
            parameter.normal_(0.0, _GIST)
        else:
            parameter.zero_()
    for layer in recurrent_layers(model):
        layer.reset_parameters(only_stated=True)


def recurrent_layers(model: nn.Module) -> list[Recurrent]:
    """The recurrent layers anywhere in a model."""
    return [one for one in model.modules() if isinstance(one, Recurrent)]
