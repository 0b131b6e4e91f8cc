"""The pages of docs/ run, and print what they say; the README's commands and names exist."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
from typer.main import get_command

from unrolled.cli.commands import app

ROOT = Path(__file__).parent.parent
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if "```python" in page.read_text()]
READ = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
FENCED = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_runs_and_prints_what_it_says(page):
    namespace: dict[str, object] = {}
    printed = ""
    compared = 0
    for language, text in FENCED.findall(page.read_text()):
        if language == "python":
            assert not printed, f"the page does not show what this prints:\n{printed}"
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, str(page), "exec"), namespace)
            printed = out.getvalue()
        elif language == "output":
            _compare(printed, text)
            printed, compared = "", compared + 1
    assert compared > 0


def _compare(got: str, want: str) -> None:
    """The same words; numbers may differ by one in their last place, as processors do."""
    assert NUMBER.sub("#", got).split() == NUMBER.sub("#", want).split(), got
    for mine, theirs in zip(NUMBER.findall(got), NUMBER.findall(want), strict=True):
        places = len(theirs.partition(".")[2])
        assert abs(float(mine) - float(theirs)) <= 1.01 * 10**-places, got


def test_there_are_pages():
    assert [page.name for page in PAGES] == [
        "captions.md",
        "cells.md",
        "depth.md",
        "draw.md",
        "engine.md",
        "export.md",
        "glimpses.md",
        "hello.md",
        "inspection.md",
        "tasks.md",
    ]


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_commands_that_are_shown_exist(page):
    command = get_command(app)
    for line in re.findall(r"^\s*(?:\$ )?unrolled ([a-z]\S*.*)$", page.read_text(), re.MULTILINE):
        words = line.split("#")[0].split()
        assert words[0] in command.commands, line
        options = {option for one in command.commands[words[0]].params for option in one.opts}
        for word in words[1:]:
            if word.startswith("-") and word != "-":
                assert word in options, f"{word} in: unrolled {line}"


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_folders_in_the_readme_exist():
    tree = re.search(r"```tree\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    named = {line.split()[0].rstrip("/") for line in tree.splitlines() if line.strip()}
    rooms = {one.name for one in (ROOT / "src" / "unrolled").iterdir() if one.is_dir() and one.name != "__pycache__"}
    assert rooms <= {name.rpartition("/")[2] for name in named}
    for name in named:
        assert (ROOT / name).exists(), name
