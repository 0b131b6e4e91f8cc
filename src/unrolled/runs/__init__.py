"""Runs: a folder for each, and the verbs a person says. The one room that introduces the others to each other."""

from unrolled.runs.comparison import Group, Tried, compare, tried
from unrolled.runs.config import RunConfig, read_config, validated
from unrolled.runs.depth import Depth, DepthConfig, Learnt, depth_curves
from unrolled.runs.diagnosis import doctor
from unrolled.runs.drawing import draw, draw_to, in_letters
from unrolled.runs.encoders import encoder_called
from unrolled.runs.events import AlreadyDone, Diverged, Listener, Prepared, RunEvent, Sampled, Saved, Warned, named
from unrolled.runs.exporting import ExportedFile, export
from unrolled.runs.features import Features, features_of, kept_features
from unrolled.runs.learning_rate import FoundRate, find_learning_rate
from unrolled.runs.loading import Run, load
from unrolled.runs.looking import Looked, look
from unrolled.runs.presets import preset
from unrolled.runs.reporting import check_place
from unrolled.runs.saved_images import save_images
from unrolled.runs.showing import shown
from unrolled.runs.sinks import logging_to
from unrolled.runs.tasks import (
    DEFAULT,
    KINDS,
    CaptionConfig,
    ClassifyConfig,
    DrawConfig,
    GlimpseConfig,
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
    "DEFAULT", "KINDS", "AlreadyDone", "CaptionConfig", "ClassifyConfig", "Depth", "DepthConfig", "Diverged",
    "DrawConfig", "ExportedFile", "Features", "FoundRate", "GlimpseConfig", "Group", "Learnt", "Listener", "Looked",
    "Prediction", "Prepared", "Run", "RunConfig", "RunEvent", "Sampled", "Saved", "Score", "TagConfig",
    "TextConfig", "TranslateConfig", "Tried", "Warned", "check_place", "compare", "depth_curves", "doctor", "draw",
    "draw_to", "encoder_called", "evaluate", "export", "features_of", "find_learning_rate", "in_letters",
    "kept_features", "kind_of", "load", "logging_to", "look", "named", "predict", "preset", "read_config", "resume",
    "sample", "save_images", "shown", "train", "tried", "validated",
]  # fmt: skip
