"""A plugin of pytest that puts a library built with sanitizers in the place of the installed one.

    LD_PRELOAD=libasan.so UNROLLED_SANITIZED=build/libunrolled_engine.so pytest -p tests.engine.sanitized tests/engine

Every piece of memory is exactly as large as it was asked for, and none is used twice, so that the sanitizers see where
each ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

import unrolled.engine  # noqa: F401
from unrolled.engine.memory import Block, Pool

sys.modules["unrolled.engine.library"]._path = lambda: Path(os.environ["UNROLLED_SANITIZED"])


def _exact(pool, size):
    raw = torch.empty(max(size, 1), dtype=torch.uint8, device="cpu")  # (on a line, as all of torch's memory)
    return raw.data_ptr(), Block(pool, raw)


Pool.take = _exact
Pool.hand_over = lambda _pool, shape, dtype: torch.empty(*shape, dtype=dtype, device="cpu")
Pool.lend = lambda _pool, shape, dtype: (torch.empty(*shape, dtype=dtype, device="cpu"), None)
Pool.give = lambda _pool, _raw: None
