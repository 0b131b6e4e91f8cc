"""Which functions a model has in ONNX. A new kind of model is one line here. Knows no operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from unrolled.errors import ExportError
from unrolled.exporting.function import Function
from unrolled.exporting.models import classifier, language_model, tagger
from unrolled.exporting.translating import translator
from unrolled.models import Classifier, LanguageModel, Tagger, Translator

_KINDS: Mapping[type[nn.Module], Callable[[Any], list[Function]]] = {
    Classifier: classifier,
    LanguageModel: language_model,
    Tagger: tagger,
    Translator: translator,
}


def functions_of(model: nn.Module) -> list[Function]:
    """The functions of a model in ONNX: the whole sequence, and one step where it can be run step by step.

    Raises:
        ExportError: nobody has said what such a model is in ONNX, or it has a part that ONNX cannot say.
    """
    made = _KINDS.get(type(model))
    if made is None:
        names = ", ".join(one.__name__ for one in _KINDS)
        raise ExportError(f"a {type(model).__name__} cannot be written as ONNX yet, only one of {names}")
    return made(model)
