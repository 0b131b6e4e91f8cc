"""Runs: a folder for each, and the verbs a person says. The one room that introduces the others to each other."""

from unrolled.runs.config import RunConfig, read_config, validated
from unrolled.runs.diagnosis import doctor
from unrolled.runs.events import AlreadyDone, Prepared, RunEvent, Sampled, Saved, Warned
from unrolled.runs.folder import Run, load
from unrolled.runs.presets import preset
from unrolled.runs.training import resume, train
from unrolled.runs.using import Score, evaluate, sample

__all__ = [
    "AlreadyDone", "Prepared", "Run", "RunConfig", "RunEvent", "Sampled", "Saved", "Score", "Warned", "doctor",
    "evaluate", "load", "preset", "read_config", "resume", "sample", "train", "validated",
]  # fmt: skip
