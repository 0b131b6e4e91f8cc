"""The verb "export": a run's model as files of another format, each of which equals it. Trains nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from os import PathLike
from pathlib import Path

from torch import nn

from unrolled import files
from unrolled.errors import ConfigError, ExportError, did_you_mean
from unrolled.exporting import Exported, exported, is_onnx
from unrolled.runs.loading import Run, loaded

FORMATS = ("onnx",)
MODEL = "model.onnx"
_SUFFIX = ".onnx"

_WHOLE, _STEP = "sequence", "step"
_LARGEST = 1 << 31  # bytes of an ONNX file


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written.

    function: what it computes, the whole "sequence" or one "step". inputs, outputs: their shapes, "T" steps and "B"
    rows, any numbers from 1. layers: what each layer's loop is, "RNN", "LSTM", "GRU" or "Scan"; of a step none.
    difference: how far it is from the run, relative to the scale of what it says.
    """

    path: str
    function: str
    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: Mapping[str, tuple[int | str, ...]]
    layers: Mapping[str, str]
    difference: float


def export(
    path: str | PathLike[str],
    to: str = "onnx",
    out: str | PathLike[str] | None = None,
    *,
    best: bool = False,
    average: int = 0,
    overwrite: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> list[ExportedFile]:
    """Write a run's model for other programs: ONNX, which onnxruntime and others run without Unrolled or torch.

    A file for the whole sequence, and beside it one for a single step, where the model can be run step by step. Before
    a file is kept it has been run, at two lengths and two sizes of batches, and equals the run's model to 1e-5 of the
    scale of what that says (to ten times its own rounding, where that is more; never more than 1e-3).

    Args:
        path: of the run.
        to: the format.
        out: the file for the whole sequence; None: model.onnx in the run's folder. That for a step is called the same,
            with ".step" before the suffix. Older ONNX files there are replaced.
        best: the weights that were best on what is held out.
        average: the mean of the weights of so many checkpoints, see `load`.
        overwrite: also what is no ONNX file is replaced.
        warn: is told what is to be known of the run.

    Raises:
        RunError: not a run. ConfigError: no such format, or something else lies in the place of a file.
        ExportError: its model cannot be exported, the file does not equal it, or a library is missing.
    """
    if to not in FORMATS:
        raise ConfigError(f"there is no format {to!r}: {', '.join(FORMATS)} are there.{did_you_mean(to, FORMATS)}")
    run = loaded(path, best=best, average=average, warn=warn)
    place = Path(path) / MODEL if out is None else Path(out)
    above = place.resolve().parents
    is_deep = Path(path).resolve() in above[1:]
    if is_deep or (place.suffix != _SUFFIX and Path(path).resolve() in above):
        free = Path(path) / f"{place.stem}{_SUFFIX}"
        raise ConfigError(f"{place} lies in the run, where other files are its own: call it {free}")
    _check_free(place, overwrite=overwrite)
    try:
        made = exported(run.model, _metadata(run))
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error
    places = {name: _place_of(name, place) for name in made}
    for one in places.values():
        _check_free(one, overwrite=overwrite)
    _check_no_stranger(place, places)
    with _writing(place):
        files.replace({places[name]: one.content for name, one in made.items()})
    return [_told(places[name], one) for name, one in made.items()]


def _place_of(name: str, whole: Path) -> Path:
    """Where a function goes, beside that of the whole sequence."""
    return whole if name == _WHOLE else whole.with_name(f"{whole.stem}.{name}{whole.suffix}")


def _check_free(place: Path, *, overwrite: bool) -> None:
    """Check that nothing else lies there.

    Raises:
        ConfigError: it does, or the disk does not tell.
    """
    with _writing(place):
        _check_replaceable(place, overwrite=overwrite)


def _check_replaceable(place: Path, *, overwrite: bool) -> None:
    if place.is_dir() or not place.name:
        raise ConfigError(f"{place} is a folder: name a file in it, -o {place / MODEL}")
    if place.exists() and not place.is_file():
        raise ConfigError(f"{place} is there, and is no file: give another place, -o")
    if overwrite:
        return
    if place.is_symlink():
        raise ConfigError(f"{place} is a symbolic link: give another place, -o, or say --overwrite to replace the link")
    if place.exists() and not is_onnx(files.read(place, _LARGEST)):
        raise ConfigError(f"{place} is there, and is no ONNX file: give another place, -o, or say --overwrite")


def _check_no_stranger(whole: Path, places: Mapping[str, Path]) -> None:
    """Check that no step of an earlier export would stand beside a whole that it does not belong to.

    Raises:
        ConfigError: it would.
    """
    step = _place_of(_STEP, whole)
    if _STEP not in places and step.exists():
        raise ConfigError(
            f"{step} is there, and this model has no step, as it has to see the whole: remove that file, or give"
            " another place, -o"
        )


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """Within the block, what the disk refuses becomes a ConfigError about that place."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{place} cannot be written: {error.strerror}. Give another place, -o") from error


def _metadata(run: Run) -> dict[str, str]:
    """What a file carries, so that it can be used without the run; "identity": what only files of one model share."""
    told = run.identity.kind.legend(run.about)
    facts = {
        "unrolled": version("unrolled"),
        "task": run.config.task,
        "cell": os.fsencode(run.config.cell).decode("utf-8", "replace"),  # (it may name a file)
        "trained": str(run.step),
    }
    facts |= {name: json.dumps(value) for name, value in told.items()}
    return facts | {"identity": _identity(run.model, facts)}


def _identity(model: nn.Module, facts: Mapping[str, str]) -> str:
    """A digest of weights and facts, in hexadecimal."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, weights in model.state_dict().items():
        digest.update(name.encode())
        digest.update(weights.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _told(path: Path, one: Exported) -> ExportedFile:
    inputs, outputs = ({port.name: port.shape for port in ports} for ports in (one.inputs, one.outputs))
    return ExportedFile(str(path), one.name, inputs, outputs, one.layers, one.checked.difference)
