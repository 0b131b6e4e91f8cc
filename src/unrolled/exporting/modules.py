"""Modules with one input and one output in ONNX: what stands before and behind the layers. Each writes itself.

Dropout is not there: a file is for evaluation.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import torch
from torch import nn

from unrolled.errors import ExportError
from unrolled.exporting.operations import product
from unrolled.exporting.sheet import Sheet
from unrolled.layers import ImageEncoder
from unrolled.layers.convolution import Block
from unrolled.models.front import Channels, Frames, Symbols


@singledispatch
def write_module(module: nn.Module, sheet: Sheet, value: str) -> str:
    """What a module makes of a value, which may have any number of dimensions before those that the module knows.

    Raises:
        ExportError: nobody has said yet what such a module is in ONNX.
    """
    del sheet, value
    raise ExportError(f"a model with a {type(module).__name__} cannot be exported: nobody has said what it is in ONNX")


@write_module.register
def _(module: nn.Linear, sheet: Sheet, value: str) -> str:
    arrays = [module.weight.T] if module.bias is None else [module.weight.T, module.bias]
    return product(sheet, value, *map(sheet.constant, arrays))


@write_module.register
def _(module: nn.Embedding, sheet: Sheet, value: str) -> str:
    return sheet.call("Gather", sheet.constant(module.weight, "embedding"), value)


@write_module.register
def _(module: nn.Sequential, sheet: Sheet, value: str) -> str:
    for part in module:
        value = write_module(part, sheet, value)
    return value


@write_module.register
def _(_: nn.ReLU, sheet: Sheet, value: str) -> str:
    return sheet.call("Relu", value)


@write_module.register
def _(module: Symbols, sheet: Sheet, value: str) -> str:
    return write_module(module.embedding, sheet, value)


@write_module.register
def _(module: Channels, sheet: Sheet, value: str) -> str:
    return _scaled(sheet, value, module.mean, module.deviation)


@write_module.register
def _(module: Frames, sheet: Sheet, value: str) -> str:
    scaled = _scaled(sheet, value, module.mean, module.deviation)
    images = sheet.call("Reshape", scaled, sheet.whole(-1, *module.shape))
    vectors = write_module(module.encoder, sheet, images)
    before = sheet.call("Shape", value, end=-3)
    return sheet.call("Reshape", vectors, sheet.call("Concat", before, sheet.whole(module.width), axis=0))


@write_module.register
def _(module: ImageEncoder, sheet: Sheet, value: str) -> str:
    seen = write_module(module.stages, sheet, value)
    shape = sheet.call("Concat", sheet.call("Shape", seen, end=1), sheet.whole(*module.places.shape), axis=0)
    places = sheet.call("Expand", sheet.constant(module.places), shape)
    last = write_module(module.last, sheet, sheet.call("Concat", seen, places, axis=1))
    return write_module(module.read_out, sheet, sheet.call("Flatten", sheet.call("GlobalMaxPool", last)))


@write_module.register
def _(module: Block, sheet: Sheet, value: str) -> str:
    changed = value
    for part in (module.first, module.second, module.norm):
        changed = write_module(part, sheet, changed)
    return write_module(module.activation, sheet, sheet.call("Add", value, changed) if module.is_residual else changed)


@write_module.register
def _(module: nn.Conv2d, sheet: Sheet, value: str) -> str:
    assert isinstance(module.padding, tuple), "padding by name is not used"
    arrays = [module.weight] if module.bias is None else [module.weight, module.bias]
    return sheet.call(
        "Conv",
        value,
        *map(sheet.constant, arrays),
        strides=list(module.stride),
        pads=[*module.padding, *module.padding],
        dilations=list(module.dilation),
        group=module.groups,
    )


@write_module.register
def _(module: nn.MaxPool2d, sheet: Sheet, value: str) -> str:
    assert isinstance(module.kernel_size, int), "images are halved in both directions"
    sides = [module.kernel_size] * 2
    return sheet.call("MaxPool", value, kernel_shape=sides, strides=sides, ceil_mode=int(module.ceil_mode))


@write_module.register
def _(module: nn.GroupNorm, sheet: Sheet, value: str) -> str:
    groups = sheet.call("Reshape", value, sheet.whole(0, module.num_groups, -1))
    ones, zeros = (sheet.constant(np.full(module.num_groups, one, dtype=np.float32)) for one in (1.0, 0.0))
    normal = sheet.call("InstanceNormalization", groups, ones, zeros, epsilon=module.eps)
    back = sheet.call("Reshape", normal, sheet.call("Shape", value))
    gain, bias = (sheet.constant(one[:, None, None]) for one in (module.weight, module.bias))
    return sheet.call("Add", sheet.call("Mul", back, gain), bias)


def one_hot(sheet: Sheet, ids: str, count: int) -> str:
    """Ids as rows of zeros with a one `[..., count]`."""
    both = sheet.constant(np.array([0.0, 1.0], dtype=np.float32))
    return sheet.call("OneHot", ids, sheet.whole(count), both, axis=-1)


def _scaled(sheet: Sheet, value: str, mean: torch.Tensor, deviation: torch.Tensor) -> str:
    return sheet.call("Div", sheet.call("Sub", value, sheet.constant(mean)), sheet.constant(deviation))
