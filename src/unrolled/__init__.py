"""Unrolled: recurrent networks as equations. This is the door: it re-exports, and nothing else.

Names are imported when they are first used, so that `import unrolled` is quick and the command can answer
without loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled import cells as cells
    from unrolled import ops as ops
    from unrolled.engine import Noise, use_engine
    from unrolled.equations import Cell, Graph, cell
    from unrolled.errors import (
        CellError,
        CheckpointError,
        ConfigError,
        DataError,
        EquationError,
        ExportError,
        GenerationError,
        GraphError,
        RunError,
        ShapeError,
        TraceError,
        TrainingError,
        UnrolledError,
    )
    from unrolled.generation import Strategy, generate
    from unrolled.inspection import intervene, trace
    from unrolled.inspection import open as open  # noqa: A004 (unrolled.open)
    from unrolled.layers import GRU, LSTM, RNN, Recurrent
    from unrolled.models import LanguageModel, LanguageModelConfig
    from unrolled.runs import (
        CaptionConfig,
        ClassifyConfig,
        DrawConfig,
        GlimpseConfig,
        TagConfig,
        TextConfig,
        TranslateConfig,
        draw,
        evaluate,
        export,
        load,
        look,
        predict,
        preset,
        resume,
        sample,
        save_images,
        train,
    )

_ROOMS = {
    "engine": ("Noise", "use_engine"),
    "equations": ("Cell", "Graph", "cell"),
    "errors": (
        "CellError", "CheckpointError", "ConfigError", "DataError", "EquationError", "ExportError",
        "GenerationError", "GraphError", "RunError", "ShapeError", "TraceError", "TrainingError", "UnrolledError",
    ),
    "generation": ("Strategy", "generate"),
    "inspection": ("intervene", "open", "trace"),
    "layers": ("GRU", "LSTM", "RNN", "Recurrent"),
    "models": ("LanguageModel", "LanguageModelConfig"),
    "runs": (
        "runs", "CaptionConfig", "ClassifyConfig", "DrawConfig", "GlimpseConfig", "TagConfig", "TextConfig",
        "TranslateConfig", "draw", "evaluate", "export", "load", "look", "predict", "preset", "resume", "sample",
        "save_images", "train",
    ),
}  # fmt: skip
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

# (all but `open`: whoever imports * keeps Python's own)
__all__ = [
    "GRU", "LSTM", "RNN", "CaptionConfig", "Cell", "CellError", "CheckpointError", "ClassifyConfig", "ConfigError",
    "DataError", "DrawConfig", "EquationError", "ExportError", "GenerationError", "GlimpseConfig", "Graph",
    "GraphError", "LanguageModel", "LanguageModelConfig", "Noise", "Recurrent", "RunError", "ShapeError", "Strategy",
    "TagConfig", "TextConfig", "TraceError", "TrainingError", "TranslateConfig", "UnrolledError", "cell", "cells",
    "draw", "evaluate", "export", "generate", "intervene", "load", "look", "ops", "predict", "preset", "resume",
    "sample", "save_images", "trace", "train", "use_engine",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("cells", "ops"):
        return import_module(f"unrolled.{name}")
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'unrolled' has no attribute {name!r}")
    return getattr(import_module(f"unrolled.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "open"])
