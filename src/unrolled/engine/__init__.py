"""Running graphs on tensors. Knows neither layers nor text."""

from unrolled.engine.choice import Engine, use_engine
from unrolled.engine.library import library
from unrolled.engine.program import Program
from unrolled.engine.reference import Reference, State

__all__ = ["Engine", "Program", "Reference", "State", "library", "use_engine"]
