"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from unrolled.rounding import rounded


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.98234, 4, "0.9823"), (-2.5, 1, "-2.5"), (999_999.0, 2, "999999.00"), (3.21e18, 4, "3.21e+18"),
     (-1e30, 2, "-1e+30"), (math.inf, 3, "inf"), (math.nan, 3, "nan")],
)  # fmt: skip
def test_a_number_stays_short_however_large_it_is(value, digits, text):
    assert rounded(value, digits) == text
