"""The Gaussian filterbank: each filter as in the paper, loop by loop; where its mean lies; its gradients."""

import math

import pytest
import torch

from unrolled import ShapeError
from unrolled.layers import Filterbank
from unrolled.layers.filterbank import window

SIZES = [(1, 5, 8), (3, 9, 6), (4, 28, 28), (5, 7, 12)]  # N, height, width


def _placed(batch=3):
    return 0.4 * torch.randn(batch, 5, dtype=torch.float64)


def _filters(g, delta, variance, size, pixels):
    """F as the paper counts: filters i and pixels a from 1."""
    rows = []
    for i in range(1, size + 1):
        mu = g + (i - size / 2 - 0.5) * delta
        weights = [math.exp(-((a - mu) ** 2) / (2 * variance)) for a in range(1, pixels + 1)]
        rows.append([one / sum(weights) for one in weights])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(("size", "height", "width"), SIZES)
def test_by_hand(size, height, width):
    placed, images = _placed(), torch.randn(3, 2, height, width, dtype=torch.float64)
    found = window(placed, size, height, width)
    patches = torch.randn(3, 2, size, size, dtype=torch.float64)
    read, written = found.read(images), found.write(patches)
    for row, (gx, gy, *logs) in enumerate(placed.tolist()):
        variance, delta, gamma = map(math.exp, logs)
        delta *= (max(height, width) - 1) / max(1, size - 1)
        across = _filters((width + 1) / 2 * (gx + 1), delta, variance, size, width)
        down = _filters((height + 1) / 2 * (gy + 1), delta, variance, size, height)
        torch.testing.assert_close(found.columns[row], across)
        torch.testing.assert_close(found.rows[row], down)
        for channel in range(2):
            torch.testing.assert_close(read[row, channel], gamma * down @ images[row, channel] @ across.T)
            torch.testing.assert_close(written[row, channel], down.T @ patches[row, channel] @ across / gamma)


@pytest.mark.parametrize(("size", "height", "width"), SIZES)
def test_rows_sum_to_1_wherever_a_filter_lies(size, height, width):
    placed = _placed(4)
    placed[1, :2] = 60.0  # (far from the image)
    placed[2, 2] = -12.0  # (much narrower than a pixel)
    found = window(placed.float(), size, height, width)
    for filters in (found.rows, found.columns):
        assert filters.isfinite().all()
        torch.testing.assert_close(filters.sum(dim=2), torch.ones(4, size), rtol=0, atol=1e-6)


def test_no_filter_has_denormal_numbers():
    """Products of them take ten times as long; at first, over 60 pixels, one number in 24 would be one."""
    found = Filterbank(6, 12, 60, 60)(torch.zeros(1, 6))
    for filters in (found.rows, found.columns):
        assert not ((filters > 0) & (filters < 1e-30)).any()
        assert (filters == 0).any()


@pytest.mark.parametrize(("pixels", "size"), [(9, 3), (28, 4), (15, 1)])
def test_the_mean_of_a_filter_on_a_pixel_is_that_pixel(pixels, size):
    """Both counts have to begin at 1: where either began at 0, means would lie half a stride or a pixel beside it."""
    numbers = torch.arange(1, pixels + 1, dtype=torch.float64)
    variance, middle = 0.1, pixels // 2
    for stride in (1.0, 2.0):
        # an odd number of filters has one on g; of an even one the two in the middle are half a stride from it
        g = middle if size % 2 else middle + stride / 2
        logs = [math.log(variance), math.log(stride * max(1, size - 1) / (pixels - 1)), 0.0]
        placed = torch.tensor([[2 * g / (pixels + 1) - 1] * 2 + logs], dtype=torch.float64)
        found = window(placed, size, pixels, pixels)
        wanted = middle + (torch.arange(size, dtype=torch.float64) - (size - 1) // 2) * stride
        for filters in (found.rows[0], found.columns[0]):
            torch.testing.assert_close(filters @ numbers, wanted, rtol=0, atol=1e-6)


def test_a_centred_window_reaches_from_the_first_to_the_last_pixel():
    found = window(torch.zeros(1, 5, dtype=torch.float64), 4, 7, 13)
    assert found.centre.tolist() == [[7.0, 4.0]]
    assert found.boxes().tolist() == [[0.0, -3.0, 12.0, 9.0]], "of the longer side"
    assert found.stride.item() == 4.0
    image = torch.zeros(1, 1, 7, 13, dtype=torch.float64)
    image[..., 3, 6] = 1.0
    turned = found.read(image)
    torch.testing.assert_close(turned, turned.flip(2))
    torch.testing.assert_close(turned, turned.flip(3))


@pytest.mark.parametrize(("size", "height", "width"), SIZES)
def test_gradients(size, height, width):
    layer = Filterbank(6, size, height, width).double()
    state = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    images = torch.randn(2, 1, height, width, dtype=torch.float64, requires_grad=True)
    patches = torch.randn(2, 1, size, size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda h, x: layer(h).read(x), (state, images))
    assert torch.autograd.gradcheck(lambda h, w: layer(h).write(w), (state, patches))


def test_bad_sizes():
    with pytest.raises(ShapeError, match="size 9: a window has so many filters along a side, from 1 to 8"):
        Filterbank(4, 9, 8, 5)
    with pytest.raises(ShapeError, match="state has shape"):
        Filterbank(4, 2, 8, 5)(torch.zeros(3, 5))


@pytest.mark.parametrize(("size", "height", "width"), SIZES)
def test_at_first_the_filters_tile_the_image(size, height, width):
    longest = max(height, width)
    reads, writes = (Filterbank(6, size, height, width, writes=one)(torch.zeros(1, 6)) for one in (False, True))
    left, top, right, bottom = reads.boxes()[0].tolist()
    cell = longest / size
    assert right - left == pytest.approx((size - 1) * cell if size > 1 else 0.0, abs=1e-4)
    assert (left + right, top + bottom) == (pytest.approx(width - 1, abs=1e-4), pytest.approx(height - 1, abs=1e-4))
    assert reads.variance.item() == pytest.approx((cell / 2) ** 2, rel=1e-4)
    torch.testing.assert_close(reads.read(torch.ones(1, 1, height, width)), torch.ones(1, 1, size, size))
    written = writes.write(torch.ones(1, 1, size, size))
    assert written.sum().item() == pytest.approx(longest**2, rel=1e-4), "1 in the mean over a square of that side"


def test_a_place_is_the_same_under_autocast():
    filters = Filterbank(6, 3, 200, 150)
    state = torch.randn(4, 6)
    with torch.no_grad():
        wanted = filters(state)
        with torch.autocast("cpu", torch.bfloat16):
            found = filters(state)
    assert torch.equal(found.centre, wanted.centre)
    assert torch.equal(found.rows, wanted.rows)
