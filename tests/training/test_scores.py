"""Scores, counted by hand."""

import numpy as np
import pytest

from unrolled.training import scores

TRUTH = np.array([0, 0, 0, 1, 1, 2])
SAID = np.array([0, 0, 1, 1, 0, 0])


def test_confusion():
    table = scores.confusion(TRUTH, SAID, 3)
    assert table.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert scores.accuracy(table) == 3 / 6


def test_f1():
    """Class 0: 2 hits, 3 wanted, 4 given; class 1: 1, 2, 2; class 2: none."""
    table = scores.confusion(TRUTH, SAID, 3)
    assert scores.f1_of_each(table).tolist() == [4 / 7, 2 / 4, 0.0]
    assert scores.macro_f1(table) == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)


def test_a_class_that_never_occurs_does_not_count():
    assert scores.macro_f1(scores.confusion(np.array([0, 1]), np.array([0, 1]), 5)) == 1.0
    assert scores.macro_f1(np.zeros((3, 3), dtype=int)) == 0.0
    assert scores.accuracy(np.zeros((3, 3), dtype=int)) == 0.0


def test_calibration():
    """Four at 0.75, of which two are right: 0.25 off. Four at 0.95, all right: 0.05 off."""
    probabilities = np.array([[0.75, 0.25]] * 4 + [[0.05, 0.95]] * 4)
    truth = np.array([0, 0, 1, 1, 1, 1, 1, 1])
    assert scores.calibration_error(probabilities, truth) == pytest.approx((4 * 0.25 + 4 * 0.05) / 8)
    assert scores.calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0.0
