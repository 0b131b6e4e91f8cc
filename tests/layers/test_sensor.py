"""The glimpse sensor: every pixel as a loop over the image gives it, exactly; borders; what is no image."""

import math

import pytest
import torch

from unrolled import ShapeError
from unrolled.layers import Sensor

WAYS = [(3, 1, 2, 1.0), (4, 3, 2, 1.0), (5, 2, 3, 0.6), (1, 3, 2, 1.4), (2, 2, 1, 0.9)]


def _pixel(image, row, column):
    inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
    return float(image[row, column]) if inside else 0.0


def _by_hand(image, location, size, cell, reach):
    """One patch of an image `[height, width]`, pixel by pixel."""
    left, top = (
        math.floor((1 + reach * place) * (pixels / 2) - cell * size / 2 + 0.5)
        for place, pixels in zip(location.tolist(), (image.shape[1], image.shape[0]), strict=True)
    )
    block = [(row, column) for row in range(cell) for column in range(cell)]
    return [
        [sum(_pixel(image, top + i * cell + row, left + j * cell + column) for row, column in block) / cell**2
         for j in range(size)]
        for i in range(size)
    ]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_it_is_the_loop_exactly(way, dtype):
    size, scales, factor, reach = way
    sensor = Sensor(size, scales, factor, reach)
    images = torch.randint(256, (3, 2, 7, 11)).to(dtype)
    locations = torch.rand(4, 3, 2, dtype=torch.float64) * 2.4 - 1.2
    locations[0], locations[1] = 1.0, torch.tensor([-1.0, 0.0])
    seen = sensor(images, locations)
    assert seen.shape == (4, 3, scales, 2, size, size)
    assert seen.dtype == (dtype if dtype.is_floating_point else torch.float32)
    for place in range(4):
        for row in range(3):
            for scale in range(scales):
                for channel in range(2):
                    wanted = _by_hand(images[row, channel], locations[place, row], size, factor**scale, reach)
                    assert torch.equal(
                        seen[place, row, scale, channel], torch.tensor(wanted, dtype=torch.float64).to(seen.dtype)
                    )


def test_bright_pixels_of_a_large_image_are_exact():
    images = torch.full((2, 1, 400, 300), 255.0)  # (the sum of all is no float32)
    images[1, 0, 399, 299] = 1.0
    seen = Sensor(2)(images, torch.tensor([[0.99, 0.99], [1.0, 1.0]]))
    assert seen[0].flatten().tolist() == [255.0] * 4
    assert seen[1].flatten().tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_whole_image_in_the_middle():
    images = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(Sensor(6)(images, torch.zeros(2, 2))[:, 0], images)


def test_the_reach():
    """Location 1 is that share of half a side from the middle: pixel 5 of 8 with a quarter, with 1 the border."""
    image = torch.arange(8.0).expand(1, 1, 8, 8)
    at_the_end = torch.ones(1, 2)
    assert Sensor(2, reach=0.25)(image, at_the_end)[0, 0, 0, 0].tolist() == [4.0, 5.0]
    assert Sensor(2, reach=1.0)(image, at_the_end)[0, 0, 0, 0].tolist() == [7.0, 0.0]
    assert Sensor(2, reach=2.0)(image, at_the_end)[0, 0, 0, 0].tolist() == [0.0, 0.0]


def test_gradients_go_to_the_images():
    images = torch.randn(2, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    locations = torch.rand(3, 2, 2) * 2 - 1
    assert torch.autograd.gradcheck(lambda given: Sensor(2, 2)(given, locations), (images,))


def test_what_is_no_image_or_no_location():
    with pytest.raises(ShapeError, match=r"images has shape \(3, 4, 4\)"):
        Sensor(2)(torch.zeros(3, 4, 4), torch.zeros(3, 2))
    with pytest.raises(ShapeError, match=r"locations has shape \(2, 2\), wanted \(3, 2\)"):
        Sensor(2)(torch.zeros(3, 1, 4, 4), torch.zeros(2, 2))
    with pytest.raises(ShapeError, match="0 pixels, 1 scales"):
        Sensor(0)
