"""The plane of the first two principal components, against torch's, and against a loop."""

from __future__ import annotations

import numpy as np
import torch

from unrolled.inspection.plane import Plane


def _states(count=200, width=7):
    numbers = np.random.default_rng(0)
    return numbers.standard_normal((count, width)) * np.arange(1, width + 1) + 5


def test_it_is_what_torch_finds():
    states = _states()
    plane = Plane.of(states)
    _, sizes, columns = torch.pca_lowrank(torch.from_numpy(states), q=7, niter=10)
    wanted = columns[:, :2].T.numpy()
    signs = np.sign((wanted * plane.axes).sum(axis=1))
    np.testing.assert_allclose(plane.axes, signs[:, None] * wanted, atol=1e-6)
    np.testing.assert_allclose(plane.shares, (sizes**2 / (sizes**2).sum()).numpy()[:2], rtol=1e-6)
    assert (np.take_along_axis(plane.axes, np.abs(plane.axes).argmax(axis=1)[:, None], axis=1) > 0).all()


def test_points_are_those_of_a_loop():
    states = _states()
    plane, some = Plane.of(states), states[:20].reshape(4, 5, 7)
    points = plane.points(some)
    assert points.shape == (4, 5, 2)
    for row in range(4):
        for step in range(5):
            for axis in range(2):
                wanted = sum((some[row, step, unit] - plane.mean[unit]) * plane.axes[axis, unit] for unit in range(7))
                assert abs(points[row, step, axis] - wanted) < 1e-9


def test_states_of_one_unit_and_states_that_are_all_the_same():
    one = Plane.of(_states(width=1))
    assert one.shares.tolist() == [1.0, 0.0]
    assert (one.points(_states(width=1))[:, 1] == 0).all()
    still = Plane.of(np.ones((5, 3)))
    assert still.shares.tolist() == [0.0, 0.0]
    assert (still.points(np.ones((5, 3))) == 0).all()
