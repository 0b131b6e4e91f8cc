"""Files of video, through the library PyAV: their frames, and the labels that stand beside them. Knows no models.

Nothing else needs that library: it is loaded when the first video is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.decoding import lines_of
from unrolled.data.images import FrameShape
from unrolled.data.ragged import Array
from unrolled.data.sources import Source
from unrolled.data.tables import ending
from unrolled.errors import ConfigError, DataError

_ENDINGS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
_LABELS = (".tsv", ".txt")
_FORMATS = {1: "gray", 3: "rgb24"}
_MOST = 1 << 31  # bytes of frames of one video
_LOCAL = {"protocol_whitelist": "file"}  # a file that names another, elsewhere, is not followed there


def is_video(source: Source) -> bool:
    """Whether its name says that it is one."""
    return ending(source) in _ENDINGS


def labels_beside(source: Source) -> tuple[Path, ...]:
    """Where the labels of a video can stand: `clip.tsv` and `clip.txt`, beside `clip.mp4`."""
    return tuple(source.path.with_suffix(one) for one in _LABELS)


def frames_of(source: Source, shape: FrameShape) -> Array:
    """The frames of a video, brought to this shape: `[T, C, height, width]`, uint8.

    Raises:
        ConfigError: PyAV is not installed, or there can be no frames of that many channels.
        DataError: no video, a damaged one, or too long a one.
    """
    if shape[0] not in _FORMATS:
        raise ConfigError(
            f"{source.name}: frames of {shape[0]} channels were learned, and a video has 1 (grey) or 3 (rgb): give such"
            " frames as an .npz"
        )
    frames: list[Array] = []
    for frame in _decoded(source):
        frames.append(_brought_to(frame, shape))
        if len(frames) * frames[0].size > _MOST:
            raise DataError(
                f"{source.name} has more than {_MOST:,} bytes in frames of {shape[1]} x {shape[2]}: cut it into pieces"
            )
    if not frames:
        raise DataError(f"{source.name} has no frames in it: give a video that plays")
    return np.stack(frames)


def labels_of(source: Source, count: int) -> tuple[str, ...]:
    """The labels of a video of so many frames, a line each in the file beside it.

    Raises:
        DataError: there is no such file, or two, or it has other lines.
    """
    there = [path for path in labels_beside(source) if path.is_file()]
    names = " or ".join(path.name for path in labels_beside(source))
    if len(there) != 1:
        what = "both are there: remove one" if there else "neither is there"
        raise DataError(
            f"{source.name}: its labels, one a line for each frame, should stand beside it in {names}: {what}"
        )
    beside = Source(there[0], str(there[0]))
    labels = [line.strip() for line in lines_of(beside.blocks(), beside.name)]
    while labels and not labels[-1]:
        labels.pop()
    for number, label in enumerate(labels, 1):
        if not label or not label.isprintable():
            raise DataError(
                f"{beside.name}, line {number}: wanted the label of a frame and nothing else, got {label!r}"
            )
    if len(labels) != count:
        raise DataError(
            f"{beside.name} has {len(labels):,} labels, and {source.name} {count:,} frames: give one for each"
        )
    return tuple(labels)


def _decoded(source: Source) -> Iterator[Any]:
    """The frames of a video, in PyAV's form."""
    av = _library()
    path = os.fspath(source.path.absolute())
    with _telling(av, source), av.open(path, options=_LOCAL, metadata_errors="replace") as container:
        if not container.streams.video:
            raise DataError(f"{source.name} has no pictures in it: give a video")
        yield from container.decode(video=0)


@contextmanager
def _telling(av: Any, source: Source) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        raise DataError(
            f"{source.name} is no video, or it is damaged ({error.strerror}): give one that plays"
        ) from error


def _brought_to(frame: Any, shape: FrameShape) -> Array:
    """A frame `[C, height, width]`, its colours and its size changed."""
    channels, height, width = shape
    changed = frame.reformat(width, height, _FORMATS[channels]).to_ndarray()
    return np.ascontiguousarray(changed.reshape(height, width, channels).transpose(2, 0, 1))


def _library() -> Any:
    try:
        import av
    except ImportError as error:
        raise ConfigError("videos need the library PyAV: pip install 'unrolled[video]'") from error
    return av
