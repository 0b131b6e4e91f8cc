"""Scores against their definitions, counted one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unrolled.inspection.scores import auc, correlation, mutual_information, ranks, rough_ranks


def _auc_by_hand(values, label):
    yes, no = values[label == 1], values[label == 0]
    wins = (yes[:, None] > no[None, :]).sum() + 0.5 * (yes[:, None] == no[None, :]).sum()
    return float(wins) / (len(yes) * len(no))


def test_auc_is_counted_over_pairs():
    """With many ties, as in saturated gates."""
    values = torch.randn(7, 300).clamp(-0.4, 0.9)
    labels = (torch.rand(3, 300) < torch.tensor([[0.5], [0.1], [0.9]])).double()
    got = auc(ranks(values), labels)
    for unit in range(7):
        for label in range(3):
            assert got[unit, label].item() == pytest.approx(_auc_by_hand(values[unit], labels[label]), abs=1e-6)


def test_rough_ranks_are_those_of_half_precision():
    values = torch.cat([torch.randn(3, 500), torch.tensor([[0.0, -0.0, 1e-9, -1e-9, 7e4, -7e4]]).expand(3, 6)], dim=1)
    scaled = values / values.abs().amax(dim=1, keepdim=True)
    torch.testing.assert_close(rough_ranks(values), ranks(scaled.half().float() + 0.0), rtol=0, atol=0)


def test_rough_ranks_of_large_and_of_small_values():
    """Whatever a unit's size is: half precision ends at 65,504 and at 6e-8."""
    values = torch.arange(1.0, 7.0).repeat(3, 1) * torch.tensor([[1e9], [1.0], [1e-12]])
    assert torch.equal(rough_ranks(values), ranks(values))
    assert torch.equal(rough_ranks(torch.zeros(1, 4)), torch.full((1, 4), 2.5))


def test_auc_of_a_perfect_unit_and_of_none():
    label = (torch.arange(100) % 7 == 0).double()
    values = torch.stack([label, -label, torch.zeros(100)]).float()
    assert auc(ranks(values), label[None]).flatten().tolist() == [1.0, 0.0, 0.5]
    assert auc(ranks(values), torch.ones(1, 100)).flatten().tolist() == [0.5] * 3


def test_correlation_is_numpys():
    values, labels = torch.randn(5, 10_000) + 3, torch.randn(2, 10_000, dtype=torch.float64).cumsum(dim=1)
    want = np.corrcoef(values.numpy(), labels.numpy())[:5, 5:]
    np.testing.assert_allclose(correlation(values, labels).numpy(), want, atol=1e-5)


def test_what_never_changes_correlates_with_nothing():
    values = torch.stack([torch.full((50,), 0.1), torch.arange(50.0)])
    labels = torch.stack([torch.arange(50.0).double(), torch.full((50,), 3.0, dtype=torch.float64)])
    torch.testing.assert_close(
        correlation(values, labels), torch.tensor([[0.0, 0.0], [1.0, 0.0]]).double(), atol=1e-5, rtol=0
    )


def test_mutual_information_of_what_is_known():
    label = (torch.arange(8000) % 2).double()
    values = torch.stack([label.float(), torch.randn(8000), (label.float() + torch.randn(8000))])
    full, none, some = mutual_information(ranks(values), label).tolist()
    assert full == pytest.approx(math.log(2), abs=2e-3)
    assert none == pytest.approx(0.0, abs=2e-3)
    assert none < some < full
    number = torch.arange(8000).double()
    assert mutual_information(ranks(number[None].float()), number).item() == pytest.approx(math.log(16), abs=0.02)
