"""Running graphs on tensors. Knows neither layers nor text."""

from unrolled.engine.blocks import Blocks
from unrolled.engine.choice import Engine, use_engine, wish
from unrolled.engine.decoding import Decoder
from unrolled.engine.levels import level, levels, use_level
from unrolled.engine.library import library, why_missing
from unrolled.engine.masks import within
from unrolled.engine.noise import Noise
from unrolled.engine.program import Program
from unrolled.engine.recording import Recording
from unrolled.engine.reference import Reference, State
from unrolled.engine.snapshot import Precision, check_precision, obstacle_to_freezing
from unrolled.engine.stacking import Chosen
from unrolled.engine.stepping import Steps

__all__ = [
    "Blocks", "Chosen", "Decoder", "Engine", "Noise", "Precision", "Program", "Recording", "Reference", "State",
    "Steps", "check_precision", "level", "levels", "library", "obstacle_to_freezing", "use_engine", "use_level",
    "why_missing", "wish", "within",
]  # fmt: skip
