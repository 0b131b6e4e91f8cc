"""Images that are moved and turned: by nothing, by whole pixels, by a quarter."""

import math

import pytest
import torch

from unrolled.layers import wobbled


def test_by_nothing():
    images = torch.rand(3, 2, 6, 9)
    torch.testing.assert_close(wobbled(images, 0.0, 0.0), images, rtol=0, atol=1e-5)


def _drawn(monkeypatch, turn, across, down):
    """What is drawn, as shares of the most, of one image."""
    monkeypatch.setattr(torch, "rand", lambda *_, **options: (torch.tensor([[turn], [across], [down]]) + 1) / 2)


def test_by_whole_pixels(monkeypatch):
    images = torch.rand(1, 1, 6, 9)
    _drawn(monkeypatch, 0.0, 1.0, -1.0)
    moved = wobbled(images, 2.0, 0.0)
    torch.testing.assert_close(moved[..., 2:, :-2], images[..., :-2, 2:], rtol=0, atol=1e-5)
    assert not moved[..., :2, :].any(), "nothing was outside"


def test_by_a_quarter(monkeypatch):
    images = torch.zeros(1, 1, 9, 9)
    images[0, 0, 4, 7] = 1.0
    _drawn(monkeypatch, 1.0, 0.0, 0.0)
    turned = wobbled(images, 0.0, 90.0)
    assert turned[0, 0, 1, 4] == pytest.approx(1.0, abs=1e-4)
    _drawn(monkeypatch, 0.5, 0.0, 0.0)
    oblong = torch.zeros(1, 1, 9, 21)
    oblong[0, 0, 4, 13] = 1.0  # three to the right of the middle
    place = wobbled(oblong, 0.0, 90.0)[0, 0].flatten().argmax().item()
    row, column = divmod(place, 21)
    distance = math.hypot(row - 4, column - 10)
    assert distance == pytest.approx(3.0, abs=0.5), "an oblong image is not sheared"


def test_each_image_by_itself():
    images = torch.rand(1, 1, 12, 12).expand(5, -1, -1, -1)
    moved = wobbled(images, 2.0, 20.0)
    assert all(not torch.allclose(moved[0], other) for other in moved[1:])
