"""Trained models as ONNX files, which other programs run without Unrolled. Knows models, no runs and no disk."""

from unrolled.exporting import translating as translating  # (a translator's functions are known from here on)
from unrolled.exporting.checking import LIMIT, Checked
from unrolled.exporting.exported import Exported, exported
from unrolled.exporting.file import is_onnx
from unrolled.exporting.function import Function, Trial
from unrolled.exporting.models import functions_of
from unrolled.exporting.sheet import Sheet

__all__ = ["LIMIT", "Checked", "Exported", "Function", "Sheet", "Trial", "exported", "functions_of", "is_onnx"]
