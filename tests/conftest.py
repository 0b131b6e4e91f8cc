"""What every test runs under: poisoned fresh memory, one seed, a cache of its own."""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does: threads that wait leave a busy core to others
if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # several processes test side by side: a thread each, or they wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import signal

import hypothesis
import pytest
import torch

from unrolled.engine import level, levels, why_missing

hypothesis.settings.register_profile("unrolled", deadline=None)  # a busy machine is no error
hypothesis.settings.load_profile("unrolled")
# a shell ignores Ctrl-C in what it runs in the background, and so would the processes that the tests start
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """What these tests run on: a log says which levels of instructions it says nothing about."""
    if why_missing():
        return f"engine: the reference; {why_missing()}"
    lacks = ", ".join(name for name, has in levels().items() if not has)
    return f"engine: native, {level()}; this processor lacks {lacks or 'no level'}"


@pytest.fixture(autouse=True, scope="session")
def _poisoned_memory():
    """Fresh memory is full of NaN: whoever reads what nobody wrote is found out."""
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.empty(3).isnan().all()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory):
    """Texts are kept in a folder of the tests; processes that they start keep theirs there, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNROLLED_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
