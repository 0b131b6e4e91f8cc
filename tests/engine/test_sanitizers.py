"""The engine's tests over a library built with the compiler's sanitizers, and faults planted to see that they tell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0",  # Python and torch leave much to the end of the process
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1",  # of torch's threads it knows nothing
}
RUNTIME = {"address,undefined": "libasan.so", "thread": "libtsan.so"}
pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not all(map(shutil.which, ("cmake", "g++"))), reason="there is no compiler here"),
]


@pytest.fixture(scope="module", params=RUNTIME)
def sanitized(request, tmp_path_factory):
    """How to run Python over a library that is built with a sanitizer; and which."""
    folder = tmp_path_factory.mktemp("sanitized")
    configure = ["cmake", "-S", ROOT, "-B", folder, f"-DUNROLLED_SANITIZE={request.param}", "-DCMAKE_CXX_COMPILER=g++"]
    for command in (configure, ["cmake", "--build", folder, "--parallel", "2"]):
        subprocess.run(command, check=True, capture_output=True)
    preloaded = [_place(RUNTIME[request.param]), _place("libstdc++.so")]  # (Python itself knows no C++ exceptions)
    library = folder / "libunrolled_engine.so"
    variables = {**os.environ, **OPTIONS, "LD_PRELOAD": " ".join(preloaded), "UNROLLED_SANITIZED": str(library)}

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=2500, cwd=ROOT)

    return request.param, run


def _place(library):
    """Where the compiler has a library of its own."""
    asked = subprocess.run(["g++", f"-print-file-name={library}"], check=True, capture_output=True, text=True)
    return asked.stdout.strip()


FAULTS = {
    "overflow": ("address,undefined", "heap-buffer-overflow"),
    "undefined": ("address,undefined", "index 77 out of bounds"),
    "race": ("thread", "ThreadSanitizer: data race"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(sanitized, fault):
    which, run = sanitized
    wanted, told = FAULTS[fault]
    if which != wanted:
        pytest.skip(f"that is for {wanted}")
    ended = run("-m", "tests.engine.planted", fault)
    assert ended.returncode != 0
    assert told in ended.stderr


def test_calls_at_once_are_clean(sanitized):
    ended = sanitized[1]("-m", "tests.engine.planted", "none")
    assert (ended.returncode, ended.stdout) == (0, "ended\n"), ended.stderr[-5000:]


@pytest.mark.parametrize(
    "file", ["engine/test_native", "engine/test_contract", "engine/test_library", "generation/test_decoding"]
)
def test_the_tests_are_clean(sanitized, file):
    """Every cell, forward and backward, at every level, with every number of threads."""
    others = "not compile and not variable and not a_library and not damaged and not no_library"  # of other libraries
    ended = sanitized[1](
        "-m", "pytest", "-q", "-p", "tests.engine.sanitized", f"tests/{file}.py", "-k", others
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    assert "passed" in ended.stdout
