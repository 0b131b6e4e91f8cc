"""The libraries that write and run ONNX: an extra, imported when they are needed. Knows nothing else."""

from __future__ import annotations

from typing import Any

from unrolled.errors import ExportError


def onnx() -> Any:
    """The library that writes ONNX.

    Raises:
        ExportError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise _missing("onnx", error) from error
    return onnx


def onnxruntime() -> Any:
    """The library that runs ONNX.

    Raises:
        ExportError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing("onnxruntime", error) from error
    return onnxruntime


def _missing(library: str, error: ImportError) -> ExportError:
    return ExportError(
        f"an export to ONNX needs the library {library!r}, which cannot be loaded ({error}): pip install"
        " 'unrolled[onnx]'"
    )
