"""Running graphs on tensors. Knows neither layers nor text."""

from unrolled.engine.choice import Engine, use_engine, wish
from unrolled.engine.decoding import Decoder, Precision, decoding_obstacle
from unrolled.engine.levels import level, levels, use_level
from unrolled.engine.library import library, why_missing
from unrolled.engine.noise import Noise
from unrolled.engine.program import Program
from unrolled.engine.reference import Reference, State
from unrolled.engine.stacking import Chosen

__all__ = [
    "Chosen", "Decoder", "Engine", "Noise", "Precision", "Program", "Reference", "State", "decoding_obstacle", "level",
    "levels", "library", "use_engine", "use_level", "why_missing", "wish",
]  # fmt: skip
