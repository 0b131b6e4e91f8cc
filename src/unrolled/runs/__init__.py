"""Runs: a folder for each, and the verbs a person says. The one room that introduces the others to each other."""

from unrolled.runs.comparison import Group, Tried, compare, tried
from unrolled.runs.config import RunConfig, read_config, validated
from unrolled.runs.diagnosis import doctor
from unrolled.runs.events import AlreadyDone, Diverged, Listener, Prepared, RunEvent, Sampled, Saved, Warned, named
from unrolled.runs.exporting import ExportedFile, export
from unrolled.runs.learning_rate import FoundRate, find_learning_rate
from unrolled.runs.loading import Run, load
from unrolled.runs.looking import Looked, look
from unrolled.runs.presets import preset
from unrolled.runs.sinks import logging_to
from unrolled.runs.tasks import (
    DEFAULT,
    KINDS,
    CaptionConfig,
    ClassifyConfig,
    DrawConfig,
    Prediction,
    Score,
    TagConfig,
    TextConfig,
    TranslateConfig,
    kind_of,
)
from unrolled.runs.training import resume, train
from unrolled.runs.using import evaluate, predict, sample

__all__ = [
    "DEFAULT",
    "KINDS",
    "AlreadyDone",
    "CaptionConfig",
    "ClassifyConfig",
    "Diverged",
    "DrawConfig",
    "ExportedFile",
    "FoundRate",
    "Group",
    "Listener",
    "Looked",
    "Prediction",
    "Prepared",
    "Run",
    "RunConfig",
    "RunEvent",
    "Sampled",
    "Saved",
    "Score",
    "TagConfig",
    "TextConfig",
    "TranslateConfig",
    "Tried",
    "Warned",
    "compare",
    "doctor",
    "evaluate",
    "export",
    "find_learning_rate",
    "kind_of",
    "load",
    "logging_to",
    "look",
    "named",
    "predict",
    "preset",
    "read_config",
    "resume",
    "sample",
    "train",
    "tried",
    "validated",
]  # fmt: skip
