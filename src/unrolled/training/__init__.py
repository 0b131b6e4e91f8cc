"""Training: one loop that emits events. Knows models and ids; prints nothing, writes no files."""

from unrolled.training.config import TrainingConfig
from unrolled.training.evaluation import evaluate
from unrolled.training.events import Evaluated, Event, Finished, Planned, SampleDue, Stepped
from unrolled.training.loop import Trainer

__all__ = [
    "Evaluated", "Event", "Finished", "Planned", "SampleDue", "Stepped", "Trainer", "TrainingConfig", "evaluate",
]  # fmt: skip
