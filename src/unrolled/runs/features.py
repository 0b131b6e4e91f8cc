"""Features of images, by anybody's network, kept on disk: a network that stays as it is reads each image once.

Knows networks as functions of pixels. What a captioner reads in the place of images (`models.ViewerConfig.features`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled import files
from unrolled.data.places import cache_folder
from unrolled.errors import ShapeError
from unrolled.models import evaluating

_FORMAT = 2
_AT_ONCE = 32  # images that are read side by side
_NOISE = 1e-3  # of the largest number: what threads may change
_LARGEST = 1 << 36  # bytes of a file
_GRID = 4  # dimensions of what an encoder makes of a batch: [B, D, rows, columns]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Features:
    """What a network made of N images: D numbers for each of S places, `[N, S, D]`, float32.

    rows, columns: of the places, which stand row by row; 1 and 1 of an encoder that makes one vector of an image.
    made_by: the SHA-256 of the encoder's name and weights; none if they were not asked for.
    """

    values: NDArray[np.float32]
    rows: int
    columns: int
    made_by: str = ""


def features_of(encoder: nn.Module, images: NDArray[np.uint8], say: Say = lambda _: None) -> Features:
    """What an encoder makes of images.

    It is in evaluation meanwhile, and no gradient is kept.

    Args:
        encoder: of images `[B, C, height, width]`, float32 from 0 to 255, on its own device, it makes a vector each,
            `[B, D]`, or a grid, `[B, D, rows, columns]`.
        images: `[N, C, height, width]`, at least one.
        say: is told how many are read.

    Raises:
        ShapeError: no images, or it makes something else of them, or of the same ones each time, or numbers that are
            not finite, or complex.
    """
    if images.ndim != _GRID or not len(images) or images.dtype != np.uint8:
        raise ShapeError(
            f"images are {images.dtype} {list(images.shape)}: give uint8 [N, C, height, width], N from 1 on"
        )
    device = next((one.device for one in encoder.parameters()), torch.device("cpu"))
    read: list[Tensor] = []
    with evaluating(encoder), torch.no_grad():
        for start in range(0, len(images), _AT_ONCE):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + _AT_ONCE])).to(device).float()
            read.append(_checked(encoder(batch), len(batch)).cpu())
            if not start:
                _check_same(read[0], _checked(encoder(batch), len(batch)).cpu())
            say(f"{min(start + _AT_ONCE, len(images)):,} of {len(images):,} images")
    every = torch.cat(read)
    rows, columns = (1, 1) if every.dim() == 2 else every.shape[2:]
    places = every.reshape(*every.shape[:2], -1).transpose(1, 2)
    return Features(np.ascontiguousarray(places.float().numpy()), rows, columns)


def _checked(made: object, count: int) -> Tensor:
    if not isinstance(made, Tensor) or made.dim() not in (2, _GRID) or len(made) != count or not made.numel():
        shape = list(made.shape) if isinstance(made, Tensor) else type(made).__name__
        raise ShapeError(
            f"the encoder made {shape} of {count} images: it has to make vectors [B, D], or grids [B, D, rows, columns]"
        )
    if made.is_complex():
        raise ShapeError("the encoder made complex numbers of images: let it make real ones, such as their sizes")
    if not bool(made.isfinite().all()):
        raise ShapeError("the encoder made numbers of images that are not finite: its weights are not usable")
    return made


def _check_same(made: Tensor, again: Tensor) -> None:
    if not torch.allclose(made.float(), again.float(), rtol=_NOISE, atol=_NOISE * float(made.abs().max())):
        raise ShapeError(
            "the encoder makes something else of the same images each time: what it draws has to be left out, or seeded"
        )


def kept_features(encoder: nn.Module, name: str, images: NDArray[np.uint8], say: Say = lambda _: None) -> Features:
    """The same, made once: kept in the cache's folder `features`, by the images, and the encoder's name and weights.

    A file that is damaged is made again. Where none can be written, nothing is kept.

    Args:
        encoder: as of `features_of`.
        name: of the encoder; another one for what does something else with the same weights.
        images: as of `features_of`.
        say: the same.

    Raises:
        ShapeError: see `features_of`. DataError: nobody knows where the cache is.
    """
    made_by = _digest(encoder, name)
    place = cache_folder("features") / f"{_key(made_by, images)}.safetensors"
    with suppress(OSError, ValueError, KeyError, safetensors.SafetensorError):
        return replace(_read(place, len(images)), made_by=made_by)
    made = replace(features_of(encoder, images, say), made_by=made_by)
    grid = np.array([made.rows, made.columns])
    with suppress(OSError):  # (a full disk, or one that cannot be written)
        files.make_parents(place)
        files.replace({place: safetensors.numpy.save({"values": made.values, "grid": grid})})
    return made


def _digest(encoder: nn.Module, name: str) -> str:
    """The SHA-256 of an encoder's name and weights."""
    weights = {key: one for key, one in sorted(encoder.state_dict().items()) if isinstance(one, Tensor)}
    told = [name, [(key, list(one.shape), str(one.dtype)) for key, one in weights.items()]]
    digest = hashlib.sha256(f"{_FORMAT} {told!r}".encode("utf-8", "backslashreplace"))
    for one in weights.values():
        digest.update(one.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _key(made_by: str, images: NDArray[np.uint8]) -> str:
    """The SHA-256 of all that the features depend on."""
    digest = hashlib.sha256(f"{made_by} {images.shape}".encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def _read(place: Path, count: int) -> Features:
    """What lies there.

    Raises:
        OSError, ValueError, KeyError, SafetensorError: it is not there, or not what was written.
    """
    arrays = safetensors.numpy.load(files.read(place, _LARGEST))
    values, (rows, columns) = arrays["values"], arrays["grid"].tolist()
    if values.ndim != 3 or values.dtype != np.float32 or values.shape[:2] != (count, rows * columns):
        raise ValueError("others than were written")
    if not np.isfinite(values).all():
        raise ValueError("numbers that are not finite")
    return Features(values, rows, columns)
