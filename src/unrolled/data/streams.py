"""A long text as parallel streams of chunks, for truncated backpropagation. Knows ids only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from unrolled.data.stored import Text
from unrolled.errors import DataError

PADDING = -100  # what torch's cross entropy leaves out of targets

_EVALUATION_STREAM = 2_500  # the least length of a stream, so that what a start from zeros costs does not show
_EVALUATION_STREAMS = 64
_EVALUATION_CHUNK = 100


@dataclass(frozen=True)
class Chunk:
    """The next piece of every stream: `ids` and the `targets` after them, both `[T, B]`; which streams start, `[B]`."""

    ids: Tensor
    targets: Tensor
    starts: Tensor


@dataclass(frozen=True)
class _Stream:
    """`steps` symbols of a text from `first` on, and of these the chunks from `chunks.start` to `chunks.stop`."""

    text: Text
    first: int
    steps: int
    chunks: range

    def read(self, number: int, length: int) -> tuple[np.ndarray, bool]:
        """The symbols of a chunk and the one after them; whether the chunk is the first."""
        place = self.chunks[number % len(self.chunks)]
        start, stop = min(place * length, self.steps), min((place + 1) * length, self.steps)
        piece = np.asarray(self.text[self.first + start : self.first + stop + 1])
        if start < stop == self.steps and len(piece) == stop - start:  # behind the end stands the first symbol
            piece = np.append(piece, np.asarray(self.text[:1]))
        return piece, place == self.chunks.start


class Streams:
    """A text cut into `batch_size` streams that run side by side, read in chunks of `seq_length` steps.

    Row b of a chunk goes on where row b of the chunk before ended, so a state can be carried along. The last
    symbol of a stream has the first one of the next stream as its target. What does not fill a chunk is left out.
    """

    def __init__(self, streams: list[_Stream], seq_length: int) -> None:
        self.seq_length = seq_length
        self._streams = streams

    @classmethod
    def of(cls, text: Text, batch_size: int, seq_length: int, *, whole: bool = False, wrap: bool = False) -> Streams:
        """Cut a text.

        Args:
            text: ids, in memory or stored.
            batch_size: B.
            seq_length: T.
            whole: every symbol but the first is a target exactly once, and the last chunk is padded.
            wrap: the text is cut to whole chunks, and its last symbol has its first one as target (char-rnn).

        Raises:
            DataError: a text that does not fill one chunk.
        """
        if not whole:
            _check_length(len(text), batch_size, seq_length, wrap=wrap)
        targets = len(text) if wrap else len(text) - 1
        steps = -(-targets // batch_size) if whole else targets // batch_size
        chunks = -(-steps // seq_length) if whole else steps // seq_length
        if wrap:
            steps = chunks * seq_length
            text = text[: steps * batch_size]
        lengths = [min(steps, max(0, targets - row * steps)) for row in range(batch_size)]
        starts = [min(row * steps, len(text)) for row in range(batch_size)]
        return cls([_Stream(text, *one, range(chunks)) for one in zip(starts, lengths, strict=True)], seq_length)

    @property
    def batch_size(self) -> int:
        """B."""
        return len(self._streams)

    @property
    def chunks(self) -> int:
        """How many chunks an epoch has: those of the longest stream."""
        return max(len(stream.chunks) for stream in self._streams)

    def part(self, first: int, last: int) -> Streams:
        """The same streams, each from its chunk `first` to the one before `last`."""
        return Streams([replace(one, chunks=one.chunks[first:last]) for one in self._streams], self.seq_length)

    def chunk(self, number: int) -> Chunk:
        """The chunk of that number, counted on through the epochs: a function of the number alone."""
        ids = np.zeros((self.batch_size, self.seq_length), dtype=np.int64)
        targets = np.full_like(ids, PADDING)
        starts = np.zeros(self.batch_size, dtype=bool)
        for row, stream in enumerate(self._streams):
            piece, starts[row] = stream.read(number, self.seq_length)
            steps = max(0, len(piece) - 1)
            ids[row, :steps] = piece[:steps]
            targets[row, :steps] = piece[1:]
        return Chunk(torch.from_numpy(ids).t(), torch.from_numpy(targets).t(), torch.from_numpy(starts))


def side_by_side(texts: Sequence[Text], batch_size: int, seq_length: int) -> Streams:
    """Streams of several texts in one batch, each text with a share of the rows in proportion to its length.

    Each text has at least one row, and starts again at its own end.

    Raises:
        DataError: fewer rows than texts, or a text that does not fill one chunk of its rows.
    """
    if batch_size < len(texts):
        raise DataError(
            f"{len(texts)} texts do not fit side by side in a batch of {batch_size}: give a --batch-size of at least"
            f" {len(texts)}, or join them with --mix concatenated"
        )
    _check_length(sum(len(text) for text in texts), batch_size, seq_length)
    rows = _shares([len(text) for text in texts], batch_size)
    parts = [Streams.of(text, count, seq_length) for text, count in zip(texts, rows, strict=True)]
    return Streams([stream for part in parts for stream in part._streams], seq_length)


def reading(text: Text) -> Streams:
    """The streams in which a text is evaluated: up to 64 of at least 2,500 symbols, each symbol but the first a target.

    Raises:
        DataError: fewer than two symbols: nothing to predict.
    """
    if len(text) < 2:
        raise DataError(f"a text of {len(text)} symbols has none to predict: give at least 2")
    streams = min(_EVALUATION_STREAMS, max(1, len(text) // _EVALUATION_STREAM))
    return Streams.of(text, streams, _EVALUATION_CHUNK, whole=True)


def split(text: Text, val_frac: float) -> tuple[Text, Text]:
    """The text without its last part, and the last part, held out for validation."""
    held_out = round(len(text) * val_frac)
    return text[: len(text) - held_out], text[len(text) - held_out :]


def _check_length(symbols: int, batch_size: int, seq_length: int, *, wrap: bool = False) -> None:
    """Check that so many symbols fill a chunk.

    Raises:
        DataError: they do not.
    """
    needed = batch_size * seq_length + (not wrap)
    if symbols < needed:
        raise DataError(
            f"the text has {symbols:,} symbols; one chunk of {batch_size} streams x {seq_length} steps needs"
            f" {needed:,}. Give more text, or a smaller --batch-size or --seq-length"
        )


def _shares(lengths: Sequence[int], rows: int) -> list[int]:
    """So many rows dealt out in proportion to the lengths: one each, the rest one by one to the most crowded text."""
    shares = [1] * len(lengths)
    for _ in range(rows - len(lengths)):
        crowded = max(range(len(lengths)), key=lambda place: lengths[place] / shares[place])
        shares[crowded] += 1
    return shares
