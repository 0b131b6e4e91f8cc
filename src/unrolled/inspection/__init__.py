"""Looking into recurrent networks. Knows layers and models; nothing else knows that it is there."""

from unrolled.inspection.addresses import Found, Place, find
from unrolled.inspection.flow import Activation, Fate, fates
from unrolled.inspection.intervening import Change, Clamp, Scale, Shift, intervene
from unrolled.inspection.opening import close, open  # noqa: A004 (what it does)
from unrolled.inspection.tracing import Recorder, Trace, names_of, trace
from unrolled.inspection.values import Values

__all__ = [
    "Activation",
    "Change",
    "Clamp",
    "Fate",
    "Found",
    "Place",
    "Recorder",
    "Scale",
    "Shift",
    "Trace",
    "Values",
    "close",
    "fates",
    "find",
    "intervene",
    "names_of",
    "open",
    "trace",
]  # fmt: skip
