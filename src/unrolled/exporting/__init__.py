"""Trained models as ONNX files, which other programs run without Unrolled. Knows models, no runs and no disk."""

from unrolled.exporting.exported import Exported, exported
from unrolled.exporting.file import is_onnx

__all__ = ["Exported", "exported", "is_onnx"]
