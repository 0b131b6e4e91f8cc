"""Random numbers that need no storing: those of a step are a function of the seed and the step. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

from unrolled.errors import ConfigError

Purpose = Literal["training", "sampling"]
_PURPOSES: dict[Purpose, int] = {"training": 1, "sampling": 2}


def check_seed(seed: int) -> None:
    """Check a seed that a user gave.

    Raises:
        ConfigError: it is none.
    """
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed {seed}: give a whole number, 0 or more, below 2**63")


def seed_of(seed: int, purpose: Purpose, step: int) -> int:
    """A seed that no other purpose or step shares (numpy's SeedSequence mixes the three)."""
    mixed = np.random.SeedSequence([seed, _PURPOSES[purpose], step]).generate_state(1, np.uint64)
    return int(mixed[0] >> np.uint64(1))


@contextmanager
def noise(seed: int, purpose: Purpose, step: int, device: torch.device) -> Iterator[None]:
    """Torch's default generators start from that seed within the block, and go on as before after it."""
    is_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if is_cuda else []):
        # (torch.manual_seed seeds every kind of device that there could be, and takes longer than a small layer)
        torch.default_generator.manual_seed(seed_of(seed, purpose, step))
        if is_cuda:
            torch.cuda.manual_seed(seed_of(seed, purpose, step))
        yield
