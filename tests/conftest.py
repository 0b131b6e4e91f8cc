"""What every test runs under: poisoned fresh memory, one seed, and no thread pools that spin."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _poisoned_memory():
    """Fresh memory is full of NaN: whoever reads what nobody wrote is found out."""
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.empty(3).isnan().all()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
