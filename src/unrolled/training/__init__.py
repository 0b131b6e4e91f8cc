"""Training: one loop that emits events. Knows models and ids; prints nothing, writes no files."""

from unrolled.training import caption_scores, scores
from unrolled.training.config import MOST, TrainingConfig
from unrolled.training.events import Evaluated, Event, Finished, Planned, SampleDue, Stepped
from unrolled.training.examples import ExamplesTask
from unrolled.training.loop import Trainer
from unrolled.training.noise import check_seed, noise, seed_of
from unrolled.training.progress import Best, Progress
from unrolled.training.task import Evaluation, StepLoss, Task
from unrolled.training.text import TextTask, mean_nats

__all__ = [
    "MOST", "Best", "Evaluated", "Evaluation", "Event", "ExamplesTask", "Finished", "Planned", "Progress",
    "SampleDue", "StepLoss", "Stepped", "Task", "TextTask", "Trainer", "TrainingConfig", "caption_scores",
    "check_seed", "mean_nats", "noise", "scores", "seed_of",
]  # fmt: skip
