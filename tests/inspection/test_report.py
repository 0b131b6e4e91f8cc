"""The report: it holds what was found, asks nothing of any host, and shows whatever it is given as text."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from plotly.offline import get_plotlyjs

from unrolled import LanguageModel, LanguageModelConfig
from unrolled.inspection import account, account_of, labels_of, sentences
from unrolled.inspection import open as opened
from unrolled.inspection.figures import coloured_text, figures_of, gradient_film
from unrolled.inspection.report import _between, report

TEXT = (
    "def f(a, b):\n    if a and '<b>&' in b:  # </script><script>alert(1)</script>\n        return [a, (b, 1)]\n\n" * 16
)
ALPHABET = sorted(set(TEXT))
IDS = torch.tensor([ALPHABET.index(one) for one in TEXT])


def quiet(_):
    pass


@pytest.fixture(scope="module", params=["lstm", "gru_v3", "rnn"])
def found(request):
    torch.manual_seed(0)
    sizes = LanguageModelConfig(vocab_size=len(ALPHABET), hidden_size=9, num_layers=2)
    model = LanguageModel(sizes, request.param)
    return account(model, IDS, ALPHABET, IDS.numpy(), labels_of, quiet)


def _data(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def _unpacked(blob, kind):
    return np.frombuffer(gzip.decompress(base64.b64decode(blob)), kind)


def test_every_sentence_is_in_it(found):
    page = report(found, "a <title>", ["so many & more"])
    words = re.sub(r"<[^>]+>", "\n", page[: page.index('id="reader"')])
    for one in sentences(found):
        assert html.escape(one.text) in words
    assert "<h1>a &lt;title&gt;</h1>" in page
    assert "so many &amp; more" in page


def test_what_the_reader_gets_is_what_the_network_did(found):
    data = _data(report(found, "a run"))
    count = len(TEXT)
    letters = _unpacked(data["text"], "<u4")
    assert "".join(data["letters"][one] for one in letters) == TEXT
    assert len(data["units"]) == 48 or len(found.behaviours[0].gates) == 0
    levels = _unpacked(data["values"], np.uint8).reshape(-1, count)
    for row, one, shown in zip(levels, found.units, data["units"], strict=True):
        value = (2 * row / data["levels"] - 1) * shown["largest"]
        inside = one.values.abs().numpy() < shown["largest"]
        assert np.abs(value - one.values.numpy())[inside].max() <= 1.1 * shown["largest"] / data["levels"]
        for place, before, at, after in shown["peaks"]:
            assert TEXT[:place].endswith(before)
            assert TEXT[place] == at
            assert TEXT[place + 1 :].startswith(after)
    guesses = _unpacked(data["guesses"], "<u4").reshape(count, data["best"])
    assert (guesses == found.expected.guesses.numpy()).all()
    chances = _unpacked(data["chances"], np.uint8).reshape(count, data["best"]) / 255
    assert np.abs(chances - found.expected.chances.numpy()).max() < 1 / 255


def test_it_asks_nothing_of_any_host_and_runs_nothing_of_the_text(found):
    page = report(found, "</title><script>alert(1)</script>", samples={3: "</pre><script>alert(2)</script>"})
    assert "<script>alert" not in page
    assert "default-src 'none'" in page
    ours = page.replace(get_plotlyjs(), "")  # (plotly's maps, which are not used, name hosts)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", ours)
    assert len(page.encode()) < 12e6


def test_there_is_a_picture_of_each_kind(found):
    pictures = figures_of(found)
    titles = " ".join(pictures)
    for word in ("gradient goes back", "n-gram models", "symbols", "Closing brackets", "wrong"):
        assert word in titles
    has_gates = any(layer.gates for layer in found.behaviours)
    assert ("saturated" in titles) == has_gates
    for one in pictures.values():
        assert isinstance(one, go.Figure)
        assert one.data
        json.loads(one.to_json())


def test_the_saturation_drawn_is_that_of_the_gates(found):
    if not found.behaviours[0].gates:
        return
    drawn = figures_of(found)["How saturated each unit's gates are"]
    name, gate = next(iter(found.behaviours[0].gates.items()))
    of_it = next(one for one in drawn.data if one.name == f"layer0.{name}")
    np.testing.assert_allclose(of_it.x, gate.right.numpy(), atol=1e-3)
    np.testing.assert_allclose(of_it.y, gate.left.numpy(), atol=1e-3)


def test_the_pie_has_all_errors(found):
    drawn = figures_of(found)["What would have helped where it was wrong"]
    assert sum(drawn.data[0].values) == int((found.expected.nats[1:] > np.log(2)).sum())


def test_a_film_goes_back_step_by_step():
    signals = {name: torch.rand(30, 2, 10) * 0.5 ** torch.arange(30.0)[:, None, None] for name in ("a", "b")}
    film = gradient_film(signals)
    assert [frame.name for frame in film.frames][:3] == ["0", "1", "2"]
    assert film.frames[-1].name == "29"
    assert {len(frame.data) for frame in film.frames} == {2}
    sizes = [np.nanmean(np.array(frame.data[0].z, dtype=float)) for frame in film.frames]
    assert sizes[0] > sizes[-1]


def test_coloured_text_has_each_symbol_with_its_value():
    values = torch.linspace(-2, 1, 130)
    drawn = coloured_text(TEXT[:130], values, letters=50)
    shown = np.array(drawn.data[0].text).ravel()[:130]
    assert "".join(shown) == TEXT[:130].replace("\n", "\u21b5").replace("&", "&amp;").replace("<", "&lt;").replace(
        ">", "&gt;"
    ).replace("'", "&#x27;")
    np.testing.assert_allclose(np.array(drawn.data[0].z, dtype=float).ravel()[:130], values.numpy())
    assert (drawn.data[0].zmin, drawn.data[0].zmax) == (-2, 2)
    assert coloured_text("", torch.zeros(0)).data


def test_a_strangers_model():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.LSTM(3, 5, bidirectional=True, num_layers=2))
    seen = account_of(opened(model), torch.randn(12, 2, 3), symbols=list("abcdefghijkl"), say=quiet)
    assert [layer.name for layer in seen.behaviours] == [
        "layer0", "layer0.reverse", "layer1", "layer1.reverse",
    ]  # fmt: skip
    for layer in seen.behaviours:
        for back in layer.signals.values():
            assert back.shape == (12, 2, 5)
        top = layer.signals["h"].norm(dim=2).mean(dim=1)
        assert float(top[0]) == float(top.max()) or layer.place.layer == 0
    page = report(seen, "a model")
    assert _data(page)["step"] == "step"
    without = account_of(model, torch.randn(12, 2, 3), say=quiet)
    page = report(without, "a model")
    assert 'id="reader"' not in page
    assert "What the units that move most did" in page


@pytest.mark.parametrize(
    ("symbols", "between"),
    [
        (["a", "b", "\n"], ""),
        (["a", "b\n"], ""),
        (["sea ", "day\n"], ""),
        (["sea", "day", "sun\n"], " "),
        (["a", " ", "bc"], " "),
    ],
)
def test_what_stands_between_symbols(symbols, between):
    assert _between(symbols) == between
