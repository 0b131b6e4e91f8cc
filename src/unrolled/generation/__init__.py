"""Generation: strategies, and a model that writes by them. Knows ids; no characters, no screen."""

from unrolled.engine import Precision
from unrolled.generation.beam import Beam, Written, beam_or_greedy, beam_search
from unrolled.generation.drawing import draw_sequences
from unrolled.generation.strategies import Strategy
from unrolled.generation.writing import generate, writer

__all__ = [
    "Beam", "Precision", "Strategy", "Written", "beam_or_greedy", "beam_search", "draw_sequences", "generate", "writer",
]  # fmt: skip
