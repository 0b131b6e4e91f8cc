"""Features of images by a network that is trained already: a named one, or anybody's. Knows no captions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from unrolled.data import Picture
from unrolled.errors import ConfigError, ShapeError
from unrolled.runs.encoders import encoder_called
from unrolled.runs.features import Features, kept_features
from unrolled.runs.strangers import guarded, module_of, names_a_model


def features_by(encoder: str | None, pictures: Sequence[Picture]) -> Features | None:
    """What the encoder of that name makes of pictures, kept on disk; None: there is none.

    What was kept of anybody's function is used as long as its file and the weights are the same; what the file imports
    is not looked at.

    Args:
        encoder: "efficientnet-lite0", or `file.py:function`, which returns an `nn.Module`: see `runs.features_of`.
        pictures: at least one, all of one shape.

    Raises:
        ConfigError: there is no such encoder, or it cannot read such images.
    """
    if encoder is None:
        return None
    digest = _digest(encoder)
    network = _network(encoder, digest)
    try:
        with guarded(f"the encoder {encoder} cannot read these images"):
            return kept_features(network, f"{encoder} {digest}", np.stack([one.pixels for one in pictures]))
    except ShapeError as error:
        raise ConfigError(f"the encoder {encoder} cannot read these images: {error}") from error


def check_repeats(encoder: str) -> None:
    """Check that anybody's function makes the same network each time.

    Raises:
        ConfigError: it does not, so that nothing could be said of other images later.
    """
    if not names_a_model(encoder):
        return
    first, second = (module_of(encoder).state_dict() for _ in range(2))
    if first.keys() != second.keys() or not all(torch.equal(one, second[name]) for name, one in first.items()):
        raise ConfigError(
            f"the encoder {encoder} has other weights each time that it is made: let the function load them, or seed"
            " what draws them"
        )


def _digest(encoder: str) -> str:
    """Of the file that holds anybody's function: the same weights may do something else in another text."""
    path = Path(encoder.rpartition(":")[0])
    is_there = names_a_model(encoder) and path.is_file()
    return hashlib.sha256(path.read_bytes()).hexdigest() if is_there else ""


@lru_cache(maxsize=1)  # (many images are read in pieces)
def _network(encoder: str, digest: str) -> nn.Module:
    del digest
    return module_of(encoder) if names_a_model(encoder) else encoder_called(encoder)
