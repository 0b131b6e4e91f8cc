"""Looking into recurrent networks. Knows layers and models; nothing else knows that it is there."""

from unrolled.inspection.addresses import Found, Place, find
from unrolled.inspection.intervening import Change, Clamp, Scale, Shift, intervene
from unrolled.inspection.opening import close, open  # noqa: A004 (what it does)
from unrolled.inspection.tracing import Recorder, Trace, names_of, trace
from unrolled.inspection.values import Values

__all__ = [
    "Change", "Clamp", "Found", "Place", "Recorder", "Scale", "Shift", "Trace", "Values", "close", "find", "intervene",
    "names_of", "open", "trace",
]  # fmt: skip
