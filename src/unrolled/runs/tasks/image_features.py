"""Features of images by a network that is trained already: a named one, or anybody's. Knows no captions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

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
    network, name = encoder_called(encoder) if not names_a_model(encoder) else module_of(encoder), encoder
    if names_a_model(encoder):  # (the same weights under the same name may do something else than before)
        text = Path(encoder.rpartition(":")[0]).read_bytes()
        name = f"{encoder} {hashlib.sha256(text).hexdigest()}"
    try:
        with guarded(f"the encoder {encoder} cannot read these images"):
            return kept_features(network, name, np.stack([one.pixels for one in pictures]))
    except ShapeError as error:
        raise ConfigError(f"the encoder {encoder} cannot read these images: {error}") from error
