"""Generation: strategies, and a model that writes by them. Knows ids; no characters, no screen."""

from unrolled.engine import Precision
from unrolled.generation.strategies import Strategy
from unrolled.generation.writing import generate, writer

__all__ = ["Precision", "Strategy", "generate", "writer"]
