"""What a look measures: each figure held against the same by hand, on both engines, on a cell with names of its own."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unrolled import LanguageModel, LanguageModelConfig, Recurrent, cell, intervene, trace, use_engine
from unrolled.inspection import account, account_of, labels_of, sentences
from unrolled.inspection.ablation import ablate, means_of
from unrolled.inspection.behaviour import behaviours
from unrolled.inspection.contexts import peaks, rules_of
from unrolled.inspection.finder import Finding, Units
from unrolled.inspection.flow import reach, signal
from unrolled.inspection.labels import Label
from unrolled.inspection.reading import read
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
        assert one.memories["memory"].gate == "keep"
        torch.testing.assert_close(one.memories["memory"].steps, -1 / keep.double().log().mean(dim=(0, 1)))
        assert set(one.signals) == {"memory", "note"}
        want = signal(layer, x, value=f"{one.name}.note")
        torch.testing.assert_close(one.signals["note"].flip(0), want.as_subclass(torch.Tensor))
        assert len(one.exponents) == 8
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
        places.append(torch.arange(start + 11, start + 41))
    order = torch.stack(places, dim=1).flatten()
    assert torch.equal(found.places, order)
    torch.testing.assert_close(found.nats[0], torch.stack(want, dim=1).flatten(), atol=2e-5, rtol=1e-4)
    assert found.cost("rnn.layer1.c[3]") == pytest.approx(float(torch.stack(want).mean()), abs=1e-5)
    where = np.zeros(400)
    where[order[0]] = 1
    at = found.cost("rnn.layer1.c[3]", found.where(where))
    assert at == pytest.approx(float(found.nats[0][found.places == order[0]].mean()))
    assert math.isnan(found.cost("rnn.layer1.c[3]", found.where(np.zeros(400))))


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
    assert ablate(_model(), torch.zeros(1, dtype=torch.long), {"rnn.layer0.c[0]": 0.0}).nats.shape == (1, 0)


def test_the_rule_that_fits_a_unit_best():
    chance = np.random.default_rng(0)
    number, yes = chance.normal(size=500), (chance.random(500) < 0.3).astype(float)
    labels = [Label("n", "a number", number), Label("y", "yes", yes), Label("same", "always", np.ones(500))]
    values = np.stack([-number + 0.01 * chance.normal(size=500), yes + 0.1 * chance.random(500), chance.random(500)])
    first, second, third = rules_of(torch.from_numpy(values).float(), labels)
    assert (first.label.name, first.score < -0.99) == ("n", True)
    assert (second.label.name, second.score > 0.99) == ("y", True)
    assert abs(third.score) < 0.2
    assert rules_of(torch.zeros(2, 500), labels[2:]) == [None, None]


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
        assert any("layer0.memory remembers for" in one.text and "gate keep" in one.text for one in told)
        assert any("layer0: keep, show hardly ever" in one.text for one in told)
    assert all(math.isfinite(one) for each in told for one in each.figures.values() if isinstance(one, float))


def test_a_sentence_says_what_was_measured():
    layer, x = Recurrent("lstm", 3, 5), torch.randn(40, 1, 3)
    seen = account_of(layer, x, symbols="abcd" * 10, say=lambda _: None)
    steps = torch.full((5,), 250.0)
    kept = torch.full((40, 1, 5), 0.9)
    kept[3::4] = 0.2
    changed = dataclasses.replace(
        seen.behaviours[0], exponents=torch.tensor([0.25]), still={"c": [1, 2]},
        memories={"c": dataclasses.replace(seen.behaviours[0].memories["c"], steps=steps, kept=kept)},
    )  # fmt: skip
    told = [one.text for one in sentences(dataclasses.replace(seen, behaviours=[changed], symbols="abcd" * 10))]
    assert "layer0.c remembers for 250 steps (the median unit, by its gate f); 5 of 5 units for more than 100" in told
    assert any(text.startswith("a small change of the states of layer0 grows: the layer is chaotic") for text in told)
    assert "layer0.c: 2 units are never moving" in told
    often = dataclasses.replace(seen, behaviours=[changed], symbols="abcd" * 10)
    assert not any("forgets most" in one.text for one in sentences(often)), "ten times is too seldom"


def test_what_is_forgotten_most():
    layer, x = Recurrent("lstm", 3, 5), torch.randn(100, 1, 3)
    seen = account_of(layer, x, symbols="abcd" * 25, say=lambda _: None)
    kept = torch.full((100, 1, 5), 0.9)
    kept[3::4] = 0.2
    memory = dataclasses.replace(seen.behaviours[0].memories["c"], kept=kept)
    changed = dataclasses.replace(seen.behaviours[0], memories={"c": memory})
    told = [one.text for one in sentences(dataclasses.replace(seen, behaviours=[changed]))]
    assert any("layer0.c forgets most at 'd': it keeps 20% of what it held, 72% on average" in text for text in told)


def test_reading_gives_every_unit_its_name():
    seen = read(_model(), torch.randint(7, (30,)))
    units = Units.of(seen.values)
    place = units.names.index("rnn.layer0.f[3]")
    assert torch.equal(units.values[place], seen.values["rnn.layer0.f"][:, 3])
