"""What a look measures: each figure held against the same by hand, on both engines, on a cell with names of its own."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unrolled import (
    ConfigError,
    LanguageModel,
    LanguageModelConfig,
    Recurrent,
    cell,
    intervene,
    trace,
    use_engine,
)
from unrolled.inspection import account, account_of, labels_of, sentences
from unrolled.inspection import open as opened
from unrolled.inspection.ablation import Ablated, ablate, means_of
from unrolled.inspection.behaviour import behaviours
from unrolled.inspection.brackets import ByDistance
from unrolled.inspection.contexts import peaks, rules_of
from unrolled.inspection.finder import Finding, Units
from unrolled.inspection.flow import reach, signal
from unrolled.inspection.gates import Saturation
from unrolled.inspection.intervening import changeable
from unrolled.inspection.labels import Label
from unrolled.inspection.oracles import Breakdown, Gain
from unrolled.inspection.predictions import Predictions
from unrolled.inspection.reading import read, untrained
from unrolled.inspection.telling import telling_units
from unrolled.ops import affine, sigmoid, tanh

engines = pytest.mark.parametrize("engine", ["auto", "reference"])


@cell
def keeping(x, memory, note):
    """A cell with names of its own: a gate that keeps, one that shows."""
    keep, show = affine(x, note, parts=2)
    keep, show = sigmoid(keep), sigmoid(show)
    memory = keep * memory + (1 - keep) * tanh(affine(x, note))
    note = show * tanh(memory)
    return memory, note


@engines
def test_a_layers_behaviour_is_that_of_its_values(engine):
    torch.manual_seed(0)
    layer, x = Recurrent(keeping, 3, 7, 2), torch.randn(25, 2, 3)
    with use_engine(engine), torch.no_grad():
        values = dict(trace(layer, x))
        found = behaviours(layer, values, x)
    assert [one.name for one in found] == ["layer0", "layer1"]
    for one in found:
        assert set(one.gates) == {"keep", "show"}
        keep = values[f"{one.name}.keep"]
        torch.testing.assert_close(one.gates["keep"].left, (keep < 0.1).double().mean(dim=(0, 1)))
        torch.testing.assert_close(one.gates["keep"].right, (keep > 0.9).double().mean(dim=(0, 1)))
        assert list(one.memories) == ["memory"]
        assert one.memories["memory"].keeper == "keep"
        torch.testing.assert_close(one.memories["memory"].kept, keep[:, 0].double().mean(dim=1))
        torch.testing.assert_close(one.memories["memory"].steps, -1 / keep.double().log().mean(dim=(0, 1)))
        assert set(one.signals) == {"memory", "note"}
        want = signal(layer, x, value=f"{one.name}.note")
        torch.testing.assert_close(one.signals["note"].flip(0), want.as_subclass(torch.Tensor))
        assert (len(one.exponents), one.steps) == (8, 15)
        assert one.exponents[0] < 0


def test_a_reverse_layer_begins_at_its_own_end():
    torch.manual_seed(0)
    layer, x = Recurrent("rnn", 3, 6, bidirectional=True), torch.randn(30, 2, 3)
    for one in behaviours(layer, dict(trace(layer, x)), x):
        sizes = one.signals["h"].norm(dim=2).mean(dim=1)
        assert float(sizes[0]) == float(sizes.max())
        assert float(sizes[-1]) < 1e-3 * float(sizes[0])
        assert one.exponents[0] < 0


def test_a_signal_in_a_model_with_several_recurrent_modules():
    torch.manual_seed(0)

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = Recurrent("rnn", 3, 5), Recurrent("lstm", 5, 4)

        def forward(self, x):
            return self.b(self.a(x)[0])[0]

    model, x = Two(), torch.randn(12, 2, 3)
    alone = signal(model.a, x, value="layer0.h")
    torch.testing.assert_close(signal(model, x, value="a.layer0.h"), alone)
    assert reach(signal(model, x, value="b.layer0.c")) > 0
    assert float(signal(model, x, value="a.layer0.h", at=4)[5:].abs().max()) == 0


def _model(name="lstm", **sizes):
    torch.manual_seed(1)
    return LanguageModel(LanguageModelConfig(vocab_size=7, hidden_size=9, **sizes), name)


@engines
def test_what_holding_a_unit_costs(engine):
    model, ids = _model(num_layers=2), torch.randint(7, (400,), generator=torch.Generator().manual_seed(0))
    with use_engine(engine):
        found = ablate(model, ids, {"rnn.layer1.c[3]": 0.5, "rnn.layer0.h[0]": 0.0}, rows=3, steps=40)
    starts = torch.linspace(0, 399 - 40, 3).long().tolist()
    want, places = [], []
    for start in starts:
        piece = ids[start : start + 41]
        losses = []
        for changes in ({}, {"rnn.layer1.c[3]": 0.5}):
            with torch.no_grad(), use_engine("reference"), intervene(model.eval(), changes):
                logits = model(piece[:-1, None])[0][:, 0]
            losses.append(F.cross_entropy(logits, piece[1:], reduction="none"))
        want.append((losses[1] - losses[0])[10:])
        places.append(torch.arange(start + 10, start + 40))
    order, costs = torch.stack(places, dim=1), torch.stack(want, dim=1)
    assert torch.equal(found.places, order)
    torch.testing.assert_close(found.nats[0], costs, atol=2e-5, rtol=1e-4)
    mean, error = found.cost("rnn.layer1.c[3]")
    assert mean == pytest.approx(float(costs.mean()), abs=1e-5)
    assert error == pytest.approx(float(costs.mean(dim=0).std() / 3**0.5), abs=1e-5)
    where = np.zeros(400)
    where[order[0, 0]] = 1
    at, _ = found.cost("rnn.layer1.c[3]", found.where(where))
    assert at == pytest.approx(float(found.nats[0][found.places == order[0, 0]].mean()))
    assert math.isnan(found.cost("rnn.layer1.c[3]", found.where(np.zeros(400))).nats)


def test_a_unit_that_nothing_reads_is_worth_nothing():
    model, ids = _model("rnn"), torch.randint(7, (300,))
    with torch.no_grad():
        model.read_out.weight[:, 4] = 0
        for name, parameter in model.rnn.named_parameters():
            if name.endswith("weight_h_h"):
                parameter[:, 4] = 0
    found = ablate(model, ids, {"rnn.layer0.h[4]": 5.0, "rnn.layer0.h[5]": 5.0}, rows=2, steps=50)
    assert found.nats[0].abs().max() < 1e-6
    assert found.nats[1].abs().max() > 1e-3


def test_a_text_too_short_to_hold_anything():
    assert ablate(_model(), torch.zeros(1, dtype=torch.long), {"rnn.layer0.c[0]": 0.0}).nats.shape == (1, 0, 0)


def test_the_rule_that_fits_a_unit_best():
    chance = np.random.default_rng(0)
    number, yes = chance.normal(size=500), (chance.random(500) < 0.3).astype(float)
    labels = [Label("n", "a number", number), Label("y", "yes", yes), Label("same", "always", np.ones(500))]
    values = np.stack([-number + 0.01 * chance.normal(size=500), yes + 0.1 * chance.random(500), chance.random(500)])
    limits = {"n": 0.3, "y": 0.7}
    first, second, third = rules_of(torch.from_numpy(values).float(), labels, limits)
    assert (first.label.name, first.score < -0.99) == ("n", True)
    assert (second.label.name, second.score > 0.99) == ("y", True)
    assert third is None, "what chance tells is no rule"
    assert rules_of(torch.from_numpy(values).float(), labels, {"n": 1.1, "y": 1.1}) == [None, None, None]
    assert rules_of(torch.zeros(2, 500), labels, {}) == [None, None]
    halves = torch.from_numpy(np.r_[number[:250], -number[250:]])[None].float()
    assert rules_of(halves, labels, limits)[0].score < -0.99, "what it does in the second half is what counts"


def test_where_a_unit_is_highest():
    values = torch.zeros(300)
    values[[50, 60, 200, 120]] = torch.tensor([5.0, 4.9, 4.0, 3.0])
    assert peaks(values, 3, apart=20) == [50, 200, 120]
    assert peaks(torch.tensor([1.0, 2.0]), 4, apart=5) == [1]
    assert peaks(torch.full((3,), torch.nan), 2) == []


def test_the_units_worth_looking_at():
    units = Units([f"u{n}" for n in range(6)], torch.stack([torch.linspace(-n, n, 50) ** 3 for n in range(6)]))
    findings = [
        Finding(name, name, unit, "AUC", 0.9, is_opposite=False, chance=0.5, limit=0.6, nats=0.1, runners_up=others)
        for name, unit, others in (("a", "u2", [("u4", 0.8)]), ("b", "u1", [("u2", 0.8), ("u3", 0.7)]))
    ]
    assert [one.unit for one in telling_units(units, findings, [], 3)] == ["u2", "u1", "u4"]
    every = [one.unit for one in telling_units(units, findings, [], 48)]
    assert every[:4] == ["u2", "u1", "u4", "u3"]
    assert set(every) == set(units.names)
    assert means_of(units.values, units.names, ["u3"])["u3"] == pytest.approx(0, abs=1e-4)


CODE = 'def f(x):\n    if x:  # yes\n        return ["no", (x, 1)]\n\n' * 20


@engines
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", keeping])
def test_an_account_in_words(name, engine):
    """The paper's comparison set, and a cell of somebody's own."""
    alphabet = sorted(set(CODE))
    ids = torch.tensor([alphabet.index(one) for one in CODE])
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(vocab_size=len(alphabet), hidden_size=8), name)
    with use_engine(engine):
        found = account(model, ids, alphabet, ids.numpy(), labels_of, lambda _: None)
    told = sentences(found)
    about = {one.about for one in told}
    assert about >= {"cells", "gradients", "predictions", "errors"}
    assert ("gates" in about) == (name != "rnn")
    if name is keeping:
        assert any("layer0.memory: by keep alone the median unit fades" in one.text for one in told)
        assert any("layer0: keep, show hardly ever" in one.text for one in told)
    assert all(math.isfinite(one) for each in told for one in each.figures.values() if isinstance(one, float))


def _with(seen, symbols=(), **changes):
    """What is said of a layer if its behaviour were another."""
    changed = dataclasses.replace(seen.behaviours[0], **changes)
    return [one.text for one in sentences(dataclasses.replace(seen, behaviours=[changed], symbols=symbols))]


@pytest.fixture(scope="module")
def seen():
    torch.manual_seed(0)
    return account_of(Recurrent("lstm", 3, 5), torch.randn(100, 1, 3), say=lambda _: None)


def test_a_sentence_says_what_was_measured(seen):
    memory = dataclasses.replace(seen.behaviours[0].memories["c"], steps=torch.full((5,), 250.0))
    told = _with(seen, still={"c": [1, 2]}, memories={"c": memory})
    assert "layer0.c: by f alone the median unit fades to 1/e in 250 steps; 5 of 5 units last for more than 100" in told
    assert "layer0.c: 2 units are never moving" in told
    forever = dataclasses.replace(memory, steps=torch.full((5,), torch.inf))
    told = _with(seen, memories={"c": forever})
    assert "layer0.c: by f alone the median unit never fades; 5 of 5 units last for more than 100" in told
    back = torch.zeros(100, 1, 5)
    back[:8] = 1.0
    assert "gradients reach back 7 steps in layer0.h (to a hundredth)" in _with(seen, signals={"h": back})
    gate = Saturation(torch.tensor([0.5, 1.0]), torch.tensor([0.5, 0.0]))
    told = _with(seen, gates={"f": gate, "o": Saturation(torch.zeros(2), torch.zeros(2))})
    shut = "layer0.f is shut (below 0.1) 75% of the time, open (above 0.9) 25%"
    assert f"{shut}; 1 unit is so at more than 99.9% of the steps" in told
    assert "layer0: o hardly ever shut or open (below 0.1 or above 0.9 in less than 1%)" in told


@pytest.mark.parametrize(
    ("exponent", "fate"),
    [(-0.5, "fades to 1/e in 2.0 steps"), (0.01, "hardly fades or grows"), (0.1, "grows e times in 10 steps")],
)
def test_what_becomes_of_a_small_change(exponent, fate, seen):
    told = _with(seen, exponents=torch.tensor([exponent]), steps=50)
    exactly = f"(largest Lyapunov exponent {exponent:+.3f} per step, over 50 steps)"
    assert f"a small change of the states of layer0 {fate} {exactly}" in told


def test_what_is_forgotten_most(seen):
    kept = torch.full((100,), 0.9, dtype=torch.float64)
    kept[3::4] = 0.1
    memory = dataclasses.replace(seen.behaviours[0].memories["c"], kept=kept)
    told = _with(seen, "abcd" * 25, memories={"c": memory})
    assert "layer0.c forgets most at 'd': it keeps 10% of what it held, 70% on average" in told
    seldom = "d".join("abc"[number % 3] * 9 for number in range(10)) + "x"
    assert len(seldom) == 100
    assert not any("'d'" in text for text in _with(seen, seldom, memories={"c": memory}))


def test_what_is_said_of_cells_and_predictions(seen):
    """A planted finding and planted costs; each sentence as it is to be read."""
    values = np.zeros(100)
    values[:50] = 1
    label = Label("quote", "inside quotes", values, "quote detection cell")
    finding = Finding(
        "quote", "inside quotes", "layer0.c[3]", "AUC", 0.976, is_opposite=True, chance=0.654, limit=0.7, nats=0.3,
        cell="quote detection cell",
    )  # fmt: skip
    number = Finding("week", "'week'", "layer0.h[1]", "r", 0.9, is_opposite=False, chance=0.2, limit=0.3, nats=0.3)
    weak = dataclasses.replace(number, unit="layer0.h[2]", score=0.25)
    costs = Ablated(["layer0.c[3]"], torch.tensor([[[0.2, 0.4], [0.0, 0.0]]]), torch.tensor([[10, 20], [60, 70]]))
    own = Label("self", "where 'self' is true", values)
    missed = Finding("self", own.what, "layer0.h[0]", "AUC", 0.6, is_opposite=False, chance=0.6, limit=0.7, nats=0.0)
    seldom = Label("seldom", "where 'seldom' is true", np.zeros(100))
    gains = [Gain("(", 30, 0.9, 0.5), Gain("x", 30, 0.1, 0.5)]
    errors = Breakdown(np.arange(4), ["n-gram 1", "n-gram 3", "word", "boost 0.1"])
    predictions = Predictions(
        1.2, {1: 3.0, 2: 1.5}, {1: 1.6}, 5000, gains, [ByDistance(20, 30, 12, {"model": 0.75, "n-gram": 0.25})], errors
    )
    found = dataclasses.replace(
        seen, findings=[finding, number, weak, missed],
        labels=[label, own, seldom], ablated=costs, predictions=predictions, behaviours=[],
        step="character",
    )  # fmt: skip
    assert [one.text for one in sentences(found)] == [
        "quote detection cell: layer0.c[3] is low inside quotes: AUC 0.98, chance 0.65; held at its mean, +0.150 ±"
        " 0.050 nats per character, +0.300 ± 0.100 inside quotes",
        "layer0.h[1] rises with 'week': r 0.90, chance 0.20",
        "no unit tells 'self' better than chance: AUC 0.60; untrained networks, or the label shifted, came to 0.60,"
        " more than 0.70 was needed",
        "'seldom' is the same in a whole half of the text: too seldom to look for",
        "1.200 nats per character, 0.300 better than the best n-gram model of 5,000 characters of its training text (n"
        " = 2, 1.500)",
        "it gains most over 2-grams on '(' 0.90 (0.50): mean probabilities, the 2-gram's in brackets",
        "a bracket that closes one 20 to 29 characters back has the probability 0.75, by 2-grams 0.25",
        "4 characters got a probability below one half: n-gram models get 50% of these right, 25% begin a word, 25%"
        " only needed a little more",
    ]
    worse = dataclasses.replace(predictions, gains=gains[1:], nats=2.0)
    told = [one.text for one in sentences(dataclasses.replace(found, findings=[weak], predictions=worse))]
    assert "no unit tells any of the labels better than chance does" in told
    assert "it expects no symbol better than 2-grams do" in told
    assert any("0.500 worse" in text for text in told)


def test_what_is_held_costs_where_it_is_needed():
    """A quote cell's worth is at the closing quote, which comes while the label is still true."""
    ablated = Ablated(["u"], torch.tensor([[0.0, 0.0, 6.0, 0.0]])[..., None], torch.arange(4)[:, None])
    inside = [0, 1, 1, 0]  # after a quote, a letter; and the closing quote is what comes next
    assert ablated.cost("u", ablated.where(inside)).nats == 3.0


class Packed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.LSTM(3, 4)

    def forward(self, x, lengths):
        return self.rnn(torch.nn.utils.rnn.pack_padded_sequence(x, lengths))[0].data


def test_rows_of_different_lengths():
    """What a row is not long enough for does not count: each is as it is alone."""
    torch.manual_seed(0)
    model, x = opened(Packed()), torch.randn(40, 2, 3)
    together = account_of(model, x, torch.tensor([40, 25]), say=lambda _: None).behaviours[0]
    alone = [account_of(model, x[:n, b : b + 1], torch.tensor([n]), say=lambda _: None) for b, n in ((0, 40), (1, 25))]
    first, second = (one.behaviours[0] for one in alone)
    left = (40 * first.gates["f"].left + 25 * second.gates["f"].left) / 65
    torch.testing.assert_close(together.gates["f"].left, left)
    rate = (40 / first.memories["c"].steps + 25 / second.memories["c"].steps) / 65
    torch.testing.assert_close(together.memories["c"].steps, 1 / rate)
    back = together.signals["c"][:, 1]
    assert (back[:25].norm(dim=1) > 0).all()
    assert (back[25:] == 0).all()
    assert float(back[0].norm()) == float(back.norm(dim=1).max())


def test_looking_changes_nothing():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(6), torch.nn.LSTM(3, 5, num_layers=2, dropout=0.5))
    x = torch.randn(40, 6, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    two = [account_of(opened(model), x, say=lambda _: None) for _ in range(2)]
    assert model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert [one.text for one in sentences(two[0])] == [one.text for one in sentences(two[1])]


def test_what_no_reset_draws_again_is_mixed():
    class Owning(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.own = torch.nn.GRU(3, 4), torch.nn.Parameter(torch.arange(20.0))

    model = Owning()
    fresh = untrained(model, 3)
    assert not torch.equal(fresh.own, model.own)
    assert torch.equal(fresh.own.sort().values, model.own)
    assert not torch.equal(fresh.rnn.weight_hh_l0, model.rnn.weight_hh_l0)


@cell
def comparing(x, h):
    """A cell with a value that is true or false."""
    a = affine(x, h)
    on = a > 0.0  # noqa: F841 (its name is what is asked for)
    h = tanh(a)
    return h


def test_a_comparison_is_seen_and_not_held():
    alphabet = sorted(set(CODE))
    ids = torch.tensor([alphabet.index(one) for one in CODE])
    model = LanguageModel(LanguageModelConfig(vocab_size=len(alphabet), hidden_size=6), comparing)
    assert "rnn.layer0.on" not in changeable(model)
    assert {"rnn.layer0.a", "rnn.layer0.h"} <= changeable(model)
    account(model, ids, alphabet, ids.numpy(), labels_of, lambda _: None)


def test_too_much_to_look_at(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda _: 64)
    with pytest.raises(ConfigError, match="let it read fewer"):
        account(_model(), torch.zeros(500, dtype=torch.long), "abcdefg", np.zeros(9, int), labels_of, lambda _: None)


def test_reading_gives_every_unit_its_name():
    seen = read(_model(), torch.randint(7, (30,)))
    units = Units.of(seen.values)
    place = units.names.index("rnn.layer0.f[3]")
    assert torch.equal(units.values[place], seen.values["rnn.layer0.f"][:, 3])
