"""Nats as a number of choices."""

from __future__ import annotations

import math

import pytest

from unrolled.runs.tasks.perplexity import perplexity_of


@pytest.mark.parametrize(("nats", "choices"), [(0.0, 1.0), (math.log(7), 7.0), (2e21, math.inf)])
def test_it_is_a_number_of_choices(nats, choices):
    assert perplexity_of(nats) == pytest.approx(choices)
