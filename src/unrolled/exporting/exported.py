"""From a model to checked ONNX files. Knows what is done one after the other, and no disk."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from unrolled.exporting.checking import Checked, check
from unrolled.exporting.file import file_of
from unrolled.exporting.kinds import functions_of
from unrolled.exporting.sheet import Port
from unrolled.models import evaluating


@dataclass(frozen=True)
class Exported:
    """A function of a model as an ONNX file.

    name: "sequence" or "step". inputs, outputs: with their shapes, T steps and B rows, any numbers from 1. layers: what
    each one's loop is: "RNN", "LSTM", "GRU", or "Scan" (any other cell); of a step none. checked: how far it is from
    the model.
    """

    name: str
    content: bytes
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: Mapping[str, str]
    checked: Checked


def exported(model: nn.Module, metadata: Mapping[str, str]) -> dict[str, Exported]:
    """A model as ONNX files by their names: "sequence", and "step" where it can be run step by step.

    Each has been run, at two lengths and two sizes of batches, and equals the model; one of float64 equals what that is
    in float32. `metadata`: texts that it carries.

    Raises:
        ExportError: such a model cannot be exported, does not equal its file, or a library is missing.
    """
    files: dict[str, Exported] = {}
    model = _in_float32(model)
    with evaluating(model):
        for function in functions_of(model):
            content = file_of(function.sheet, function.name, {**metadata, "function": function.name})
            checked = check(function, content)
            sheet = function.sheet
            ports = tuple(sheet.inputs), tuple(sheet.outputs)
            files[function.name] = Exported(function.name, content, *ports, function.written_as, checked)
    return files


def _in_float32(model: nn.Module) -> nn.Module:
    """The model itself; of one with other numbers a copy."""
    is_it = all(parameter.dtype == torch.float32 for parameter in model.parameters())
    return model if is_it else copy.deepcopy(model).float()
