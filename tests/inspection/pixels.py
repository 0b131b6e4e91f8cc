"""What a picture of an image shows, read by a stranger."""

import base64
import io

import numpy as np
from PIL import Image


def pixels_of(drawn):
    """The pixels `[height, width, 3]` of a trace of plotly that is a PNG."""
    kind, _, data = drawn.source.partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.array(image)
