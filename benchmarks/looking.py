"""What it takes to look: `unrolled look RUN` as a whole, the size of its report, and how fast a browser colours it.

    python -m benchmarks.looking --run RUN [--json FILE]

The report is opened in a headless Chromium at 1280 and at 390 pixels. A colouring is the call that follows when another
unit is chosen, and what the browser does until its next picture is due; a frame is a picture while the text scrolls
by 60 pixels each, at 60 a second at best. A page that complains, or asks anything of a host, is a wrong answer.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import WrongAnswerError
from benchmarks.report import Report, Row, parser, report

_COLOURINGS, _FRAMES = 48, 240
_COLOUR = """async (number) => {
    const started = performance.now();
    reader.choose(number);
    const called = performance.now() - started;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return [called, performance.now() - started];
}"""
_SCROLL = """async (count) => {
    const view = document.getElementById("view"), times = [];
    view.scrollTop = 0;
    let last = await new Promise(requestAnimationFrame);
    for (let number = 0; number < count; number++) {
        view.scrollTop += 60;
        const now = await new Promise(requestAnimationFrame);
        times.push(now - last);
        last = now;
    }
    return times;
}"""


def main(words: Sequence[str] | None = None) -> None:
    made = parser(__doc__)
    made.add_argument("--run", required=True, help="a run's folder")
    options = made.parse_args(words)
    report("looking", "What it takes to look", options, lambda made: _measure(made, options))


def _measure(made: Report, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
        page = Path(folder) / "report.html"
        started = time.perf_counter()
        subprocess.run([Path(sys.executable).parent / "unrolled", "look", options.run, "-o", page], check=True)
        made.figures["the whole command, seconds"] = time.perf_counter() - started
        made.figures["report, MB"] = page.stat().st_size / 1e6
        made.table("In the browser", [_browsed(page, width) for width in (1280, 390)])


def _browsed(page: Path, width: int) -> Row:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": width, "height": 800})
        wrong: list[str] = []
        opened.on("console", lambda message: wrong.append(message.text))
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("request", lambda one: wrong.append(one.url) if one.url.startswith("http") else None)
        opened.goto(page.as_uri())
        opened.locator("#unit option").first.wait_for(state="attached")
        row = {"width": width, **_timed(opened)}
        browser.close()
    if wrong:
        raise WrongAnswerError(f"the page at {width} pixels: {'; '.join(wrong)}")
    return row


def _timed(opened: Any) -> Row:
    units, symbols = opened.evaluate("[reader.units, reader.count]")
    opened.evaluate("document.getElementById('reader').scrollIntoView()")
    opened.wait_for_timeout(1000)
    colourings = [opened.evaluate(_COLOUR, number % units) for number in range(_COLOURINGS)]
    frames = sorted(opened.evaluate(_SCROLL, _FRAMES))
    return {
        "units": units,
        "symbols": symbols,
        "a colouring, ms": statistics.median(called for called, _ in colourings),
        "the slowest": max(called for called, _ in colourings),
        "until it is seen": statistics.median(seen for _, seen in colourings),
        "a frame, ms": statistics.median(frames),
        "95 of 100 frames at most": frames[int(0.95 * len(frames))],
    }


if __name__ == "__main__":
    main()
