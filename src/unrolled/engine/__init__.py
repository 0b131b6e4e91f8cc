"""Running graphs on tensors. Knows neither layers nor text."""

from unrolled.engine.choice import Engine, use_engine, wish
from unrolled.engine.library import level, levels, library, use_level
from unrolled.engine.program import Program
from unrolled.engine.reference import Reference, State

__all__ = ["Engine", "Program", "Reference", "State", "level", "levels", "library", "use_engine", "use_level", "wish"]
