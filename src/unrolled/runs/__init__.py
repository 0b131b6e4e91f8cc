"""Runs: a folder for each, and the verbs a person says. The one room that introduces the others to each other."""

from unrolled.runs.config import RunConfig, read_config, validated
from unrolled.runs.diagnosis import doctor
from unrolled.runs.folder import Run, load
from unrolled.runs.training import Prepared, RunEvent, Sampled, Saved, train
from unrolled.runs.using import Score, evaluate, sample

__all__ = [
    "Prepared", "Run", "RunConfig", "RunEvent", "Sampled", "Saved", "Score", "doctor", "evaluate", "load",
    "read_config", "sample", "train", "validated",
]  # fmt: skip
