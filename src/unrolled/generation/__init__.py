"""Generation: strategies, and a model that writes by them. Knows ids; no characters, no screen."""

from unrolled.generation.generate import generate
from unrolled.generation.strategies import Strategy

__all__ = ["Strategy", "generate"]
