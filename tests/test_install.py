"""What an installation holds: an engine that runs at every level, or none that works, never one of other sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]
NEEDS_COMPILER = pytest.mark.skipif(shutil.which("c++") is None, reason="there is no compiler here")

SMOKE = """
import torch, unrolled
from unrolled.engine import level
torch.manual_seed(0)
ours, theirs = unrolled.LSTM(9, 33), torch.nn.LSTM(9, 33)
ours.load_state_dict(theirs.state_dict())
x = torch.randn(7, 5, 9)
results = []
for one in (ours, theirs):
    output, _ = one(x)
    output.pow(2).sum().backward()
    results.append([output, *(parameter.grad for parameter in one.parameters())])
assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(*results))
print(level() or "reference", unrolled.__file__)
"""


class Installation:
    """A tree to install from, and an environment of its own that sees everything else where these tests run."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.folder = folder / "tree", folder
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in listed.splitlines():
            if (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.python = folder / "venv" / "bin" / "python"
        site = self.told("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        (Path(site) / "everything_else.pth").write_text(sysconfig.get_path("purelib"))

    def told(self, *arguments: object, cwd: Path | None = None, **variables: str) -> str:
        ended = subprocess.run(
            [self.python, *arguments], cwd=cwd or self.folder, capture_output=True, text=True,
            env={**os.environ, **variables},
        )  # fmt: skip
        assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]
        return ended.stdout.strip()

    def install(self, *what: object, **variables: str) -> None:
        self.told("-m", "pip", "install", "--quiet", "--no-deps", *what, **variables)

    def doctor(self) -> str:
        lines = self.told("-m", "unrolled.cli.main", "doctor").splitlines()
        return next(line for line in lines if line.startswith("engine")).removeprefix("engine").strip()


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path)


def test_without_a_compiler(installation, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    installation.install(installation.tree, PATH=str(tmp_path / "bin"), CC="", CXX="")
    assert installation.doctor().startswith("reference (torch, step by step): the native engine was not built")
    assert installation.told("-c", SMOKE).startswith("reference ")
    tests = ["tests/cells", "tests/layers", "tests/engine", "tests/models", "tests/generation"]
    told = installation.told("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, cwd=installation.tree)
    assert "passed" in told
    assert "installed without the native engine" in told


@NEEDS_COMPILER
def test_a_wheel(installation, tmp_path):
    wheels = tmp_path / "wheels"
    installation.told("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, installation.tree)
    (wheel,) = wheels.iterdir()
    assert wheel.name.startswith("unrolled-")
    assert "-py3-none-linux" in wheel.name
    shutil.rmtree(installation.tree)
    installation.install(wheel)
    script = "from unrolled.engine import levels; print(*[name for name, has in levels().items() if has])"
    names = installation.told("-c", script).split()
    assert "generic" in names
    for name in names:
        level, place = installation.told("-c", SMOKE, UNROLLED_LEVEL=name).split()
        assert level == name
        assert Path(place).is_relative_to(tmp_path / "venv")


@NEEDS_COMPILER
def test_sources_that_do_not_compile_leave_no_older_library_in_use(installation):
    source = installation.tree / "native" / "team.cpp"
    written = source.read_text()
    installation.install("--editable", installation.tree)
    assert installation.doctor().startswith("native, ")
    source.write_text(written + "\nthis is no C++\n")
    assert "built from other sources than those in native/" in installation.doctor()
    assert installation.told("-c", SMOKE).startswith("reference ")
    installation.install("--editable", installation.tree)
    assert "was not built when Unrolled was installed" in installation.doctor()
    source.write_text(written)
    installation.install("--editable", installation.tree)
    assert installation.doctor().startswith("native, ")
