"""A PNG that stands in a page, read by a stranger."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.inspection.pixels import pixels_of
from unrolled.inspection.png import embedded


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 7), (300, 600)])
def test_pixels_come_back(shape):
    pixels = np.random.default_rng(0).integers(256, size=(*shape, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels_of(SimpleNamespace(source=embedded(pixels))), pixels)
    turned = pixels.transpose(1, 0, 2)  # (its rows do not lie one behind the other)
    np.testing.assert_array_equal(pixels_of(SimpleNamespace(source=embedded(turned))), turned)
