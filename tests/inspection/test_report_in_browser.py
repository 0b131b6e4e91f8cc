"""The report in a browser, headless: no complaint, no request, and the text can be read, coloured and searched."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from playwright.sync_api import sync_playwright

from tests.inspection.test_example_figures import CLASSES, example, video
from unrolled import LanguageModel, LanguageModelConfig
from unrolled.inspection import account, labels_of
from unrolled.inspection.channel_figures import contribution_maps
from unrolled.inspection.example import Cloud
from unrolled.inspection.glimpse_figures import glimpses
from unrolled.inspection.glimpses import Glimpses
from unrolled.inspection.path_figures import chances, paths
from unrolled.inspection.report import report
from unrolled.inspection.video_figures import strip
from unrolled.inspection.word_figures import coloured_words

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
def found():
    torch.manual_seed(0)
    ids = torch.tensor([ALPHABET.index(one) for one in TEXT])
    model = LanguageModel(LanguageModelConfig(vocab_size=len(ALPHABET), hidden_size=12), "lstm")
    return account(model, ids, ALPHABET, ids.numpy(), labels_of, lambda _: None)


@pytest.fixture(scope="module")
def page_file(found, tmp_path_factory):
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


@contextmanager
def _opened(browser, path, width):
    """The page in a window of that width; at the end it has said nothing and asked nobody."""
    opened = browser.new_page(viewport={"width": width, "height": 800})
    told, asked = [], []
    opened.on("console", lambda message: told.append(message.text))
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.on("request", lambda one: asked.append(one.url))
    opened.goto(path.as_uri())
    opened.locator("#unit option").first.wait_for(state="attached")
    yield opened
    assert told == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    opened.close()


@pytest.fixture(params=[1280, 390])
def page(request, browser, page_file):
    with _opened(browser, page_file, request.param) as opened:
        yield opened


@pytest.fixture(scope="module")
def examples_file(found, tmp_path_factory):
    """A report with the pictures of single examples, of words and of frames."""
    shown = [example(LINE.split(), name="one", at=3), example(["a", "day"], name="two", at=0)]
    of_channels = [example(["0", "1", "2"], step="step", channels=2)]
    figures = {
        "Words": coloured_words(shown, CLASSES),
        "Channels": contribution_maps(of_channels, CLASSES, ["left", "right"]),
        "Probabilities": chances(shown, CLASSES),
        "Paths": paths(shown, Cloud(np.zeros((2, 2)), np.array([0, 1]), np.ones(2) / 2), CLASSES),
        "Frames": strip(video(channels=3), CLASSES),
        "Glimpses": glimpses(_looked_at()),
    }
    path = tmp_path_factory.mktemp("examples") / "report.html"
    path.write_text(report(found, "a run", figures=figures), encoding="utf-8")
    return path


def _looked_at():
    """Three glimpses of two patches."""
    boxes = np.array([[[2, 3, 4], [0, 1, 8]], [[-1, 5, 4], [-3, 3, 8]], [[6, 0, 4], [4, -2, 8]]])
    seen = np.full((3, 2, 1, 4, 4), 120, np.float32)
    return Glimpses(
        "one", "said a", np.zeros((1, 10, 12), np.float32), boxes, seen, ["a", "b"], np.full((3, 2), 0.5), 3
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_glimpses_are_gone_through(browser, examples_file, width):
    """All of the path is seen first; at the beginning of the slider the first glimpse alone, and no tools over it."""
    with _opened(browser, examples_file, width) as page:
        figure = page.locator("figure").nth(5)
        figure.scroll_into_view_if_needed()
        assert figure.locator(".xy .point").count() == 3
        assert figure.locator(".slider-label").first.text_content() == "after glimpse 3"
        rail = figure.locator(".slider-rail-touch-rect").bounding_box()
        page.mouse.click(rail["x"] + 2, rail["y"] + rail["height"] / 2)
        figure.locator(".xy .point").nth(1).wait_for(state="detached")
        assert figure.locator(".xy .point").count() == 1
        assert figure.locator(".slider-label").first.text_content() == "after glimpse 1"
        assert page.locator(".modebar-btn").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_pictures_of_single_examples(browser, examples_file, width):
    with _opened(browser, examples_file, width) as page:
        figures = page.locator("figure")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        words, probabilities, frames = (figures.nth(place) for place in (0, 2, 4))
        assert "'<b>\u00e9'" in words.locator(".textpoint text").all_text_contents()
        page.wait_for_function("document.querySelectorAll('figure .hm image, figure .im image').length >= 2")
        before = words.locator(".hm image").get_attribute("href")
        words.get_by_text("leave one out").click()
        page.wait_for_function(
            "one => document.querySelector('figure .hm image').getAttribute('href') !== one", arg=before
        )
        assert "if" in probabilities.locator(".xtick text").all_text_contents()
        probabilities.locator(".updatemenu-header").click()
        probabilities.locator(".updatemenu-dropdown-button").nth(1).click()
        probabilities.locator(".xtick text", has_text="day").wait_for()
        assert probabilities.locator(".xtick text").all_text_contents() == ["a", "day"]
        assert frames.locator(".im image").count() == 1
        assert "\u2717 good <\u2026" in " ".join(frames.locator(".textpoint text").all_text_contents())


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
