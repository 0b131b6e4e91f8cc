"""The report in a browser, headless: no complaint, no request, and the text can be read, coloured and searched."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from playwright.sync_api import sync_playwright

from unrolled import LanguageModel, LanguageModelConfig
from unrolled.inspection import account, labels_of
from unrolled.inspection.report import report

LINE = "def f(a, b):\n    if a and '<b>\u00e9' in b:  # \u4e2d\u6587 \U0001f600\n\treturn [a, (b, 1)]\n\n"
TEXT = LINE * 20
ALPHABET = sorted(set(TEXT))


def _browser():
    """The path of one, or None: where a browser has to be there, its absence fails."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None and os.environ.get("UNROLLED_REQUIRE_BROWSER") == "1":
        pytest.fail("there is no chromium, and UNROLLED_REQUIRE_BROWSER=1 asks for one")
    return found


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    torch.manual_seed(0)
    ids = torch.tensor([ALPHABET.index(one) for one in TEXT])
    model = LanguageModel(LanguageModelConfig(vocab_size=len(ALPHABET), hidden_size=12), "lstm")
    found = account(model, ids, ALPHABET, ids.numpy(), labels_of, lambda _: None)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report(found, "a run", samples={1: LINE, 2: LINE}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    path = _browser()
    if path is None:
        pytest.skip("no chromium here: apt install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[1280, 390])
def page(request, browser, page_file):
    """The page in a window of that width; at the end it has said nothing and asked nobody."""
    opened = browser.new_page(viewport={"width": request.param, "height": 800})
    told, asked = [], []
    opened.on("console", lambda message: told.append(message.text))
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.on("request", lambda one: asked.append(one.url))
    opened.goto(page_file.as_uri())
    opened.locator("#unit option").first.wait_for(state="attached")
    yield opened
    assert told == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    opened.close()


def test_nothing_is_wider_than_the_window(page):
    page.evaluate("document.querySelector('.pictures').scrollIntoView()")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("figure .main-svg").count() > 0


def test_the_letters_are_the_text(page):
    shown = page.evaluate("document.getElementById('letters').textContent")
    assert shown.replace("\n", "").replace("\u21b5", "\n").replace("\u2192", "\t") == TEXT


def test_letters_stand_on_their_colours(page):
    """The last symbol of the longest row: where the browser has it is where the canvas has its colour."""
    ends = page.evaluate("""() => {
        const node = document.getElementById('letters').firstChild, rows = node.textContent.split('\\n');
        const left = document.getElementById('view').getBoundingClientRect().left + 1 + 8;
        const pen = document.createElement('canvas').getContext('2d'), style = getComputedStyle(node.parentElement);
        pen.font = `${style.fontSize} ${style.fontFamily}`;
        let offset = 0;
        return rows.slice(0, 12).map((row) => {
            const range = document.createRange();
            range.setStart(node, offset); range.setEnd(node, offset + row.length);
            offset += row.length + 1;
            const drawn = [...row].reduce((sum, one) => sum + pen.measureText(one).width, 0);
            return [range.getBoundingClientRect().right - left, drawn];
        });
    }""")
    for where, drawn in ends:
        assert abs(where - drawn) < 2.5


def test_another_unit_has_other_colours(page):
    pixel = "() => document.getElementById('map').toDataURL()"
    before = page.evaluate(pixel)
    page.locator("#after").click()
    assert page.evaluate(pixel) != before
    page.locator("#before").click()
    assert page.evaluate(pixel) == before
    assert page.locator("#peaks li").count() > 0


def test_what_it_expects_next_takes_room_below_each_line(page):
    height = "() => document.getElementById('tiles').getBoundingClientRect().height"
    before = page.evaluate(height)
    page.locator("#guessing").check()
    assert page.evaluate(height) > 3 * before
    page.locator("#guessing").uncheck()
    assert page.evaluate(height) == before


def test_a_phrase_that_is_selected_is_found_elsewhere(page):
    page.locator("#least").fill("50")
    page.evaluate("""() => {
        const node = document.getElementById('letters').firstChild, range = document.createRange();
        range.setStart(node, 5); range.setEnd(node, 7);
        getSelection().removeAllRanges(); getSelection().addRange(range);
    }""")
    page.locator("#selected", has_text="units").wait_for()
    assert "(a" in page.locator("#selected").inner_text()
    assert page.locator("#on li").count() > 0
    assert page.locator("#elsewhere li").count() > 0
    page.locator("#elsewhere button").first.click()
    assert page.evaluate("getSelection().toString().length") > 0


def test_a_symbol_tells_its_value(page):
    page.locator("#letters").scroll_into_view_if_needed()
    box = page.locator("#view").bounding_box()
    page.mouse.click(box["x"] + 12, box["y"] + 10)
    assert page.locator("#told").inner_text().startswith("character 1 d")
