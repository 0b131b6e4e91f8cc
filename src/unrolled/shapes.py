"""The letters of shapes, and the checks that name them. Knows sizes and types, not what is computed.

T  time steps            H  hidden size
B  rows of the batch     G  gates, or parts of one product
D  input size            L  layers times directions
V  vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unrolled.errors import ShapeError

WHOLE_NUMBERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def check_tensor(name: str, given: object) -> None:
    """Check that something is a tensor.

    Raises:
        ShapeError: it is a list, an array of numpy, None ...
    """
    if not isinstance(given, torch.Tensor):
        raise ShapeError(f"{name} is a {type(given).__name__}: give a torch tensor, torch.as_tensor(...)")


def check_shape(name: str, got: Sequence[int], want: Sequence[int | str]) -> None:
    """Check a shape against the wanted one, where a letter stands for any size.

    Raises:
        ShapeError: another number of dimensions, or another size where `want` has a number.
    """
    fits = len(got) == len(want) and all(
        isinstance(wanted, str) or size == wanted for size, wanted in zip(got, want, strict=True)
    )
    if not fits:
        raise ShapeError(f"{name} has shape {written(got)}, wanted {written(want)}")


def check_ids(name: str, ids: object, count: int) -> torch.Tensor:
    """The ids as int64, after a check that they are places in a vocabulary of so many.

    Raises:
        ShapeError: no tensor, no whole numbers, or some that lie outside.
    """
    check_tensor(name, ids)
    assert isinstance(ids, torch.Tensor)
    if ids.dtype not in WHOLE_NUMBERS:
        raise ShapeError(f"{name} are {ids.dtype}: give whole numbers, places in the vocabulary")
    low, high = (int(ids.min()), int(ids.max())) if ids.numel() else (0, 0)
    if low < 0 or high >= count:
        raise ShapeError(f"{name} go from {low} to {high}, the vocabulary from 0 to {count - 1}")
    return ids.long()


def written(shape: Sequence[int | str]) -> str:
    """A shape as text: `(T, B, 10)`."""
    return "(" + ", ".join(str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
