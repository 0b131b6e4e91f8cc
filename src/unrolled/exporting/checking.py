"""An ONNX file held against the model that it was made of: run, and compared. Knows neither models nor the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ExportError
from unrolled.exporting import libraries
from unrolled.exporting.function import Arrays, Function, Trial

LIMIT = 1e-5  # of the largest number of an output
_ROUNDED = 10  # times what rounding does to the model, which may be more: a file is rounded, too, in another order
_MOST = 1e-3  # whatever rounding does: what is further away shows no mistake any more
_LEAST = 0.1  # smaller numbers are rounded as the larger ones are of which they are sums
_STEPS, _ROWS = (4, 9), (2, 5)
_QUIET = 4  # of onnxruntime's levels: fatal errors only; what is wrong comes as an exception


@dataclass(frozen=True)
class Checked:
    """How far an output of a file is from the model's, and that from itself in float64, both relative to its scale."""

    difference: float
    rounding: float
    where: str


def check(function: Function, content: bytes) -> Checked:
    """Run a file at two lengths and two sizes of batches, and hold what it says against the model.

    An output may differ by `LIMIT` of its scale, which is its largest number, or 0.1 where that is less; by ten times
    what the model is away from itself in float64 where it is most, if that is more; but never by more than 1e-3.

    Returns:
        What differs most.

    Raises:
        ExportError: it does not run, or differs by more; or the model differs so much from itself in float64 that
            nothing can be told from a difference.
    """
    session = _session(content, function.name)
    sizes = [(steps, rows) for steps in _STEPS for rows in _ROWS]
    found = [one for steps, rows in sizes for one in _compared(session, function, steps, rows)]
    for one in found:
        _check_allowed(one, max(found, key=lambda each: each.rounding))
    return max(found, key=lambda one: one.difference)


def _check_allowed(one: Checked, roughest: Checked) -> None:
    """Check that an output differs by no more than it may, where `roughest` is most away from itself in float64."""
    trembling = _ROUNDED * roughest.rounding
    if one.difference <= min(max(LIMIT, trembling), _MOST):
        return
    if trembling > _MOST:
        raise ExportError(
            f"the model cannot be held against a file: its {roughest.where} are {roughest.rounding:.1e} of their scale"
            " away from what they are in float64, so what a file says may be anything. Nothing was kept. A network with"
            " smaller weights trembles less (--weight-decay)"
        )
    raise ExportError(
        f"the file is not the model: its {one.where} differ by {one.difference:.1e} of their scale, more than"
        f" {max(LIMIT, trembling):.1g}. Nothing was kept. This is a mistake of Unrolled's: please report it"
    )


def _session(content: bytes, name: str) -> Any:
    runtime = libraries.onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = _QUIET
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # (the library's own errors have no common family)
        raise _refused(name, error) from error


def _compared(session: Any, function: Function, steps: int, rows: int) -> Iterator[Checked]:
    """What was found of each output of each call."""
    names = [one.name for one in function.sheet.outputs]
    carried: dict[str, NDArray[Any]] = {}
    for call, trial in enumerate(function.trials(steps, rows)):
        try:
            said = dict(zip(names, session.run(names, {**trial.inputs, **carried}), strict=True))
        except Exception as error:
            raise _refused(function.name, error) from error
        carried = {goes: said[came] for came, goes in function.carried.items()}
        where = f"at step {call}" if len(function.carried) else f"of {steps} steps"
        yield from _differences(said, trial, f"{where}, {rows} rows")


def _differences(said: Arrays, trial: Trial, where: str) -> Iterator[Checked]:
    for name, want in trial.expected.items():
        got, exact = said[name], trial.exact[name]
        if not np.isfinite(want).all():
            raise ExportError(f"the model gives no finite numbers for {name} {where}: it cannot be held against a file")
        if got.shape != want.shape:
            raise ExportError(f"the file is not the model: its {name} {where} are {got.shape}, not {want.shape}")
        scale = max(_LEAST, float(np.abs(want).max(initial=0.0)))
        difference, rounding = (float(np.abs(one - want).max(initial=0.0)) / scale for one in (got, exact))
        yield Checked(difference, rounding, f"{name} {where}")


def _refused(name: str, error: Exception) -> ExportError:
    return ExportError(f"onnxruntime does not run the {name}: {str(error).strip().splitlines()[0]}")
