"""Running graphs on tensors. Knows neither layers nor text."""

from unrolled.engine.reference import Reference, State

__all__ = ["Reference", "State"]
